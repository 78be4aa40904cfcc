"""How each contestant is prepared, started and filled; what the scenarios share."""

import shutil
from dataclasses import replace

from bench.stage import Stage
from launcher.layout import PROJECT_DIR, VENV_PYTHON
from launcher.processes import Process
from tests.chaos import roles

STANDARD = "bench.peers.standard"
TOOL = f"{STANDARD}.tool"
PROCRASTINATE = "bench.peers.procrastinate_app"
DJANGO_Q = "bench.peers.djangoq_app"
PGQUEUER = "bench.peers.pgqueuer_app"
STANDARD_SETTINGS = {"DJANGO_SETTINGS_MODULE": f"{STANDARD}.settings"}
BENCH_CELERY = ("--without-gossip", "--without-mingle", "--without-heartbeat")


def prepare_ours(stage: Stage, **variables: str) -> None:
    stage.run(str(VENV_PYTHON), "manage.py", "migrate", "--verbosity", "0", **variables)


def prepare_standard(stage: Stage) -> None:
    peer(stage, TOOL, "prepare")


def peer(stage: Stage, module: str, *arguments: object, **variables: str) -> str:
    """Run a helper module in the peers' environment."""
    return stage.run(
        str(stage.peers.python), "-m", module, *map(str, arguments), **{**STANDARD_SETTINGS, **variables}
    )


def node(stage: Stage, script: str, *arguments: object) -> str:
    """Run a script of bench/peers with the peers' packages."""
    return stage.run(node_path(), script_path(script), *map(str, arguments))


def node_path() -> str:
    return shutil.which("node") or "node"


def script_path(script: str) -> str:
    return str(PROJECT_DIR / "bench" / "peers" / script)


def ours(*names: str, **options: int) -> list[Process]:
    """Processes of the service, as the launcher starts them."""
    return [roles.one(name, **options) for name in names]


def our_web(stage: Stage) -> Process:
    """The service's web with its two processes."""
    process = roles.one("web", port=stage.web_port)
    command = list(process.command)
    command[command.index("--workers") + 1] = "2"
    return replace(process, command=tuple(command))


def standard_web(stage: Stage) -> tuple[str, ...]:
    """gunicorn's default, two sync workers, serving the ORM way."""
    bind = f"127.0.0.1:{stage.web_port}"
    options = ("--workers", "2", "--bind", bind, "--no-control-socket")
    return (str(stage.peers.python), "-m", "gunicorn", *options, f"{STANDARD}.wsgi:application")


def standard_worker(stage: Stage) -> tuple[str, ...]:
    options = ("-c", "2", "-P", "prefork", "--loglevel", "WARNING", *BENCH_CELERY)
    return (str(stage.peers.python), "-m", "celery", "-A", STANDARD, "worker", *options)
