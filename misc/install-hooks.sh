#!/usr/bin/env bash
# Install the git hooks of this project. They call the scripts here, so they follow every change of them.
set -euo pipefail
cd "$(dirname "$0")/.."
hooks=$(git rev-parse --git-path hooks)
mkdir -p "$hooks"
for name in pre-commit pre-push; do
  hook="$hooks/$name"
  if [ -e "$hook" ] && ! grep -q "misc/$name.sh" "$hook"; then
    echo "$hook is somebody else's and stays. To use this project's, call misc/$name.sh from it." >&2
    continue
  fi
  printf '#!/bin/sh\nexec "$(git rev-parse --show-toplevel)/misc/%s.sh" "$@"\n' "$name" >"$hook"
  chmod +x "$hook"
  echo "installed $hook"
done
