#!/usr/bin/env bash
# Format, lint and types, of exactly what is about to be committed.
#
# Files that are staged as a whole are formatted and staged again. A file of which only some hunks are staged is
# never staged here, since that would commit the others too; if its staged part is wrong, the commit is refused.
set -euo pipefail
# shellcheck source=misc/python.sh
. "$(git rev-parse --show-toplevel)/misc/python.sh"

files=()
whole=()
while IFS= read -r -d '' file; do
  files+=("$file")
  if git diff --quiet -- "$file"; then
    whole+=("$file")
  fi
done < <(git diff --cached --name-only -z --diff-filter=ACMR -- '*.py')
[ "${#files[@]}" -gt 0 ] || exit 0

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
python -m ruff format --check --force-exclude --no-respect-gitignore -- "${files[@]}" || {
  failed=1
  echo "Only partly staged, so left alone. Format it (.venv/bin/ruff format FILE) and stage it again." >&2
}
python -m ruff check --quiet --force-exclude --no-respect-gitignore -- "${files[@]}" || failed=1
python -m mypy --no-error-summary --cache-dir ../../.mypy_cache/staged \
  scheduler_service access_app tasks_app schedules_app launcher run.py manage.py || failed=1
exit "$failed"
