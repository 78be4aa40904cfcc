# Sourced by the hooks. `python …` runs in the project's .venv, or in the compose container if that is what runs.
# shellcheck shell=bash
top=$(git rev-parse --show-toplevel)
cd "$top" || exit 1

container_runs() {
  command -v docker >/dev/null 2>&1 &&
    docker compose --profile dev ps --status running --services 2>/dev/null | grep -qx dev
}

if [ -x .venv/bin/ruff ]; then
  where=native
  python() { "$top/.venv/bin/python" "$@"; }
elif container_runs; then
  where=container
  # The same folder inside: the project is mounted at /app.
  python() { docker compose --profile dev exec -T --workdir "/app${PWD#"$top"}" dev python "$@"; }
else
  echo "Neither a .venv with the development tools nor the compose service 'dev' is there. One of these makes it:" >&2
  echo "  python3 run.py check" >&2
  echo "  docker compose --profile dev up --build --detach dev" >&2
  exit 1
fi
