"""The command line: from nothing to a running service."""

import argparse
import http.client
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from launcher import bench, broker, chaos, checks, environment, instance, pids, testing
from launcher.errors import LauncherError
from launcher.layout import EXAMPLE_BATCH, PROJECT_DIR, VENV_PYTHON, DataFolder
from launcher.processes import (
    LOOPBACK,
    NO_BROKER,
    Options,
    Process,
    child_environment,
    default_concurrency,
    embedded_broker,
    service_processes,
)
from launcher.supervisor import Supervisor

READY_SECONDS = 60.0
DESCRIPTION = "Runs the whole service: web, worker, scheduler worker, beat and Flower, as in docker-compose."
EPILOG = """\
also:
  run.py test [pytest arguments]   the whole test suite, on every database and broker that can be reached
  run.py check                     format, lint, types, migrations, production settings
  run.py chaos --seconds 120       the service under faults, judged (see `run.py chaos --help`)
  run.py bench                     the service beside its alternatives, measured (see bench/README.md)

DATABASE_URL and CELERY_BROKER_URL change the database and the broker; SCHEDULER_DATA_DIR (default .data) is
where the embedded ones live."""


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments ask for; returns the exit code."""
    try:
        if arguments[:1] == ["test"]:
            return testing.main(list(arguments[1:]))
        if list(arguments) == ["check"]:
            return checks.main()
        if arguments[:1] == ["chaos"]:
            return chaos.main(arguments[1:])
        if arguments[:1] == ["bench"]:
            return bench.main(arguments[1:])
        return _run(_parse(arguments))
    except LauncherError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _leave_unread_output()


def _leave_unread_output() -> int:
    # Python flushes stdout once more when it ends, and would complain about the closed pipe again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "run.py", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--port", type=_port, default=Options.port, help="port of the API (default: %(default)s)"
    )
    parser.add_argument(
        "--flower-port", type=_port, default=Options.flower_port, help="port of Flower (default: %(default)s)"
    )
    parser.add_argument(
        "--workers",
        type=_positive,
        default=default_concurrency(),
        metavar="N",
        help="processes that run tasks (default: %(default)s)",
    )
    parser.add_argument("--no-flower", action="store_true", help="do without Flower")
    parser.add_argument(
        "--demo",
        action="store_true",
        help="submit the example batch, show its progress, then stop everything",
    )
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    return _between(text, 1, 65535)


def _positive(text: str) -> int:
    return _between(text, 1, 1000)


def _between(text: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
    return int(text)


def _options(arguments: argparse.Namespace) -> Options:
    has_broker = os.environ.get("CELERY_BROKER_URL") != NO_BROKER
    return Options(
        port=arguments.port,
        flower_port=arguments.flower_port,
        workers=arguments.workers,
        flower=has_broker and not arguments.no_flower,  # Flower lives on the broker's events
        shutdown_grace=_seconds("SHUTDOWN_GRACE_SECONDS", Options.shutdown_grace),
        broker=has_broker,
    )


def _seconds(variable: str, default: float) -> float:
    try:
        return float(os.environ.get(variable) or default)
    except ValueError:
        return default  # the service's own settings refuse it, with a message


def _run(arguments: argparse.Namespace) -> int:
    options = _options(arguments)
    # Until the supervisor takes over: leave through the `finally`s, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    folder = DataFolder.from_environment(os.environ)
    folder.create()
    with instance.single_instance(folder, options):
        left = pids.stop_recorded(folder.children)
        if left:
            print(f"Stopped what an earlier run left behind: {', '.join(left)}", flush=True)
        instance.check_ports(options)
        folder.empty_metrics()
        environment.prepare("embedded")
        try:
            return _serve(options, folder, arguments.demo)
        finally:
            folder.empty_metrics()


def _serve(options: Options, folder: DataFolder, demo: bool) -> int:
    # The demo's client has no key.
    wanted = {**os.environ, "API_KEYS_REQUIRED": "false"} if demo else os.environ
    environ = child_environment(wanted, folder)
    admin = _prepare_database(environ)
    output = folder.demo_log.open("wb") if demo else sys.stdout.buffer
    supervisor = Supervisor(environ, folder.children, output)
    try:
        if not os.environ.get("CELERY_BROKER_URL"):
            _start_broker(supervisor, folder)
        for process in service_processes(options):
            supervisor.start(process)
        if not supervisor.run_until(lambda: _is_live(options.port), timeout=READY_SECONDS, step=0.2):
            return _never_ready(supervisor, folder, demo)
        print(_greeting(options, admin, environ["FLOWER_BASIC_AUTH"]), flush=True)
        return _demonstrate(supervisor, options, folder) if demo else _follow(supervisor)
    finally:
        supervisor.stop()
        folder.remove_socket()


def _follow(supervisor: Supervisor) -> int:
    supervisor.run_until(lambda: False)
    if supervisor.is_unread:
        return _leave_unread_output()
    supervisor.say("stopping; once more Ctrl-C to stop at once")
    return 0


def _demonstrate(supervisor: Supervisor, options: Options, folder: DataFolder) -> int:
    command = (
        str(VENV_PYTHON),
        "-m",
        "launcher.demo",
        f"http://{LOOPBACK}:{options.port}",
        str(EXAMPLE_BATCH),
    )
    demo = supervisor.start_attached(Process("demo", command))
    supervisor.run_until(lambda: demo.poll() is not None, step=0.2)
    if demo.poll() is None:
        demo.terminate()
        demo.wait()
        return 130
    if demo.returncode:
        print(f"The demo did not succeed; the service's log is {folder.demo_log}", file=sys.stderr)
        return 1
    return 0


def _never_ready(supervisor: Supervisor, folder: DataFolder, demo: bool) -> int:
    if supervisor.stop_requests:
        return 0
    where = folder.demo_log if demo else "above"
    raise LauncherError(f"The API did not answer within {READY_SECONDS:g} s; the log is {where}")


def _prepare_database(environ: dict[str, str]) -> tuple[str, str] | None:
    """Migrate, and return the name and password of the first admin if one had to be made."""
    _manage(["manage.py", "migrate", "--verbosity", "0"], environ)
    words = _manage(["-m", "launcher.first_admin"], environ).split()
    return (words[0], words[1]) if words else None


def _manage(arguments: Sequence[str], environ: dict[str, str]) -> str:
    command = [str(VENV_PYTHON), *arguments]
    answer = subprocess.run(
        command, cwd=PROJECT_DIR, env=environ, stdout=subprocess.PIPE, text=True, check=False
    )
    if answer.returncode:
        raise LauncherError(
            f"The database could not be prepared ({' '.join(arguments[:2])}); the reason stands above."
        )
    return answer.stdout


def _start_broker(supervisor: Supervisor, folder: DataFolder) -> None:
    folder.create_socket_folder()
    folder.socket.unlink(missing_ok=True)
    supervisor.start(embedded_broker(broker.server_path(), folder))
    if not supervisor.run_until(
        lambda: broker.answers(folder.socket), timeout=broker.START_SECONDS, step=0.05
    ):
        if supervisor.stop_requests:
            return
        raise LauncherError("The embedded broker did not start; the reason stands above.")


def _is_live(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wants_keys(environ: Mapping[str, str]) -> bool:
    return environ.get("API_KEYS_REQUIRED", "").lower() in {"1", "true", "yes", "on", "t", "y"}


def _greeting(options: Options, admin: tuple[str, str] | None, flower_auth: str) -> str:
    lines = [f"{name:<8} {url}" for name, url in instance.addresses(options).items()]
    if options.flower:
        name, _, password = flower_auth.partition(":")
        lines.append(f"Flower's name: {name}   password: {password}")
    if admin:
        lines.append(f"Admin's name: {admin[0]}   password: {admin[1]}   (shown only now)")
    key = ""
    if _wants_keys(os.environ):
        folder = os.environ.get("SCHEDULER_DATA_DIR", "")
        where = f"SCHEDULER_DATA_DIR={shlex.quote(folder)} " if folder else ""
        lines.append(f"A key:   {where}{VENV_PYTHON} manage.py apikey create first")
        key = '-H "Authorization: Bearer $KEY" '
    else:
        lines.append("The API takes requests without a key; API_KEYS_REQUIRED=true asks for keys.")
    body = """-H 'Content-Type: application/json' -d '{"operation": "4+7", "priority": 1}'"""
    lines.append(f"Try it:  curl -s http://{LOOPBACK}:{options.port}/tasks/ {key}{body}")
    return "\n".join(["", *lines, ""])
