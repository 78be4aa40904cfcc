#!/usr/bin/env bash
# Resolve pyproject.toml into the four hash-locked requirement files (needs uv). Pass --upgrade to move versions.
set -euo pipefail
cd "$(dirname "$0")/.."
lock() {
  uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
    --no-emit-index-url --quiet "${@:2}" --output-file "requirements/$1.lock"
}
lock runtime "$@"
lock telemetry --extra sentry --extra otel "$@"
lock embedded --extra embedded "$@"
lock dev --extra embedded --extra dev "$@"
