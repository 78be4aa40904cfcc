#!/usr/bin/env bash
# The tests, before anything leaves this machine. A push that only deletes branches has nothing to test.
set -euo pipefail
if [ ! -t 0 ]; then
  refs=$(cat)
  if [ -n "$refs" ] && ! printf '%s\n' "$refs" | awk '$2 !~ /^0+$/ {found = 1} END {exit !found}'; then
    exit 0
  fi
fi
# shellcheck source=misc/python.sh
. "$(git rev-parse --show-toplevel)/misc/python.sh"
# git's own variables for hooks would lead tests that use git into this repository.
# shellcheck disable=SC2046
unset $(git rev-parse --local-env-vars)
if [ "$where" = native ]; then
  python run.py test
  exit
fi
python -m pytest
