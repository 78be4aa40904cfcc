#!/usr/bin/env bash
# Format, lint and types, of exactly what is about to be committed.
#
# Files that are staged as a whole are formatted and staged again. A file of which only some hunks are staged is
# never staged here, since that would commit the others too; if its staged part is wrong, the commit is refused.
set -euo pipefail
# shellcheck source=misc/python.sh
. "$(git rev-parse --show-toplevel)/misc/python.sh"

whole=()
python_files=0
while IFS= read -r -d '' file; do
  python_files=1
  if git diff --quiet -- "$file"; then
    whole+=("$file")
  fi
done < <(git diff --cached --name-only -z --diff-filter=ACMR -- '*.py')
[ "$python_files" = 1 ] || exit 0

if [ "${#whole[@]}" -gt 0 ]; then
  python -m ruff check --quiet --fix-only --force-exclude -- "${whole[@]}"
  python -m ruff format --quiet --force-exclude -- "${whole[@]}"
  git add -- "${whole[@]}"
fi

# The index, not the working tree, is what is committed, so it is what is looked at.
mkdir -p .data
staged=$(mktemp -d .data/staged.XXXXXX)
trap 'rm -rf "$top/$staged"' EXIT
git checkout-index --all --prefix="$staged/"
cd "$staged"
failed=0
python -m ruff format --check --quiet --no-respect-gitignore . || {
  failed=1
  echo "Not formatted (only partly staged, so left alone); run: .venv/bin/ruff format FILE, and stage it again." >&2
  python -m ruff format --check --no-respect-gitignore . >&2 || true
}
python -m ruff check --quiet --no-respect-gitignore . || failed=1
python -m mypy --no-error-summary --cache-dir ../../.mypy_cache/staged \
  scheduler_service tasks_app schedules_app launcher run.py manage.py || failed=1
exit "$failed"
