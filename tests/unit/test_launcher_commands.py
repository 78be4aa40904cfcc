"""The process list, the test runs, the demo's table, and compose's likeness to `run.py`."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from launcher import cli, demo, probe, services, testing
from launcher.errors import LauncherError
from launcher.layout import EXAMPLE_BATCH, PROJECT_DIR, DataFolder
from launcher.processes import Options, embedded_broker, service_processes

CONFIG = settings.CONFIG
INTEGRATION = "tests/integration"
# What differs on purpose: containers listen on all of their addresses, and compose asks beat for its health.
OWN_TO_COMPOSE = ("bind", "address", "port", "graceful-timeout", "worker-tmp-dir", "worker-class", "threads")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((PROJECT_DIR / "docker-compose.yml").read_text())["services"])


def names(options: Options) -> list[str]:
    return [process.name for process in service_processes(options)]


def test_the_service_is_web_two_workers_beat_and_flower() -> None:
    assert names(Options()) == ["web", "worker", "scheduler", "beat", "flower"]
    assert names(Options(flower=False)) == ["web", "worker", "scheduler", "beat"]


def test_without_a_broker_workers_poll_and_a_tender_stands_in_for_beat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "none")
    options = cli._options(cli._parse([]))
    assert names(options) == ["web", "worker", "tender"]
    assert all("manage.py" in process.command for process in service_processes(options)[1:])


def test_a_worker_is_not_killed_before_its_grace_is_over() -> None:
    worker = service_processes(Options(shutdown_grace=60))[1]
    assert worker.grace > 60


def test_compose_runs_the_same_celery_processes(compose: dict[str, Any]) -> None:
    roles = {"worker": "worker", "scheduler": "scheduler-worker"}
    for process in service_processes(Options(workers=4)):
        if process.name in roles:
            mine = list(process.command[2:])
            theirs = [
                part.replace("${WORKER_CONCURRENCY:-4}", "4")
                for part in compose[roles[process.name]]["command"]
            ]
            assert mine == theirs
    assert compose["beat"]["command"][:5] == ["celery", "--quiet", "-A", "scheduler_service", "beat"]
    assert compose["flower"]["command"][:5] == ["celery", "--quiet", "-A", "scheduler_service", "flower"]


def test_the_images_default_command_is_composes_web(compose: dict[str, Any]) -> None:
    dockerfile = (PROJECT_DIR / "Dockerfile").read_text().replace("\\\n", " ")
    image = yaml.safe_load(dockerfile.split("\nCMD ")[-1])
    for word in (
        "8190",
        "scheduler_service.webserver.worker.Worker",
        "--forwarded-allow-ips",
        "--keep-alive",
        "--worker-connections",
        "--no-control-socket",
        "scheduler_service.gunicorn_logs.Logger",
        "--access-logfile",
        "scheduler_service.wsgi:application",
    ):
        assert any(word in part for part in image)
        assert any(word in part for part in compose["web"]["command"])


def test_every_container_of_compose_that_stays_is_checked(compose: dict[str, Any]) -> None:
    unchecked = {name for name, service in compose.items() if "healthcheck" not in service}
    assert unchecked == {"migrate", "dev"}


def test_a_worker_container_can_be_scaled(compose: dict[str, Any]) -> None:
    assert not {"container_name", "ports", "hostname"} & set(compose["worker"])


@pytest.mark.parametrize("name", ["worker", "scheduler-worker"])
def test_a_worker_container_is_not_killed_before_its_graces_are_over(
    compose: dict[str, Any], name: str
) -> None:
    graces = CONFIG.shutdown_grace_seconds + CONFIG.timeout_grace_seconds
    assert int(compose[name]["stop_grace_period"].removesuffix("s")) > graces


def test_flower_listens_on_loopback_only(compose: dict[str, Any]) -> None:
    assert all(port.startswith("127.0.0.1:") for port in compose["flower"]["ports"])


def test_the_embedded_broker_listens_on_no_port_and_keeps_nothing(tmp_path: Path) -> None:
    command = embedded_broker(Path("/valkey"), DataFolder(tmp_path)).command
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert (options["--port"], options["--save"], options["--unixsocketperm"]) == ("0", "", "700")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], [INTEGRATION]),
        (["-k", "claim", "-x"], ["-k", "claim", "-x", INTEGRATION]),
        (["tests/unit"], None),
        (["tests/unit", "tests/integration"], ["tests/integration"]),
        (["tests/integration/__init__.py::test_x"], ["tests/integration/__init__.py::test_x"]),
        (["-q", "tests"], ["-q", INTEGRATION]),
        (["-q", "."], ["-q", INTEGRATION]),
        (["-k", "tests/unit_of_work"], ["-k", "tests/unit_of_work", INTEGRATION]),
    ],
)
def test_the_second_run_takes_what_is_integration(arguments: list[str], expected: list[str] | None) -> None:
    assert testing.integration_arguments(arguments) == expected


def test_the_suite_does_not_see_the_shells_database_nor_unreached_services() -> None:
    shell = {"DATABASE_URL": "x", "CELERY_BROKER_URL": "x", "TEST_REDIS_URL": "gone", "PATH": "/bin"}
    seen = testing.suite_environment(shell, {"TEST_POSTGRES_URL": "here"}, "/folder")
    assert seen == {"PATH": "/bin", "TEST_POSTGRES_URL": "here", "SCHEDULER_DATA_DIR": "/folder"}


BASE = {
    "TEST_POSTGRES_URL": "pg",
    "TEST_REDIS_URL": "r",
    "TEST_RABBITMQ_URL": "a",
    "SCHEDULER_DATA_DIR": "/f",
}
ALONE = {"TEST_POSTGRES_URL": "pg", "SCHEDULER_DATA_DIR": "/f/beside"}


def test_the_whole_suite_is_run_in_three_and_one_of_them_has_the_brokers() -> None:
    first, others = testing.runs(["-x"], BASE)
    assert (first.arguments, first.environ) == (["-x", *testing.PROCESSES], BASE)
    assert [run.arguments for run in others] == [["-x", "tests/unit", INTEGRATION], ["-x", INTEGRATION]]
    assert [run.environ for run in others] == [ALONE, {**ALONE, "DATABASE_URL": "pg"}]


def test_every_folder_of_tests_is_in_the_suite() -> None:
    folders = {f"tests/{path.parent.name}" for path in (PROJECT_DIR / "tests").glob("*/__init__.py")}
    assert folders == {part for part in (*testing.PROCESSES, *testing.REST) if not part.endswith(".py")}


def test_what_is_named_is_run_as_it_is_named() -> None:
    first, others = testing.runs(["tests/unit", "tests/integration"], BASE)
    assert first.arguments == ["tests/unit", "tests/integration"]
    assert [run.arguments for run in others] == [[INTEGRATION]]
    assert testing.runs(["tests/unit"], BASE)[1] == []


@pytest.mark.parametrize(
    ("codes", "code"), [([0, 0], 0), ([0, 1], 1), ([2, 0, 1], 2), ([5, 0], 0), ([5, 1, 5], 1), ([5, 5], 5)]
)
def test_one_failed_run_fails_the_suite(codes: list[int], code: int) -> None:
    assert testing.conclusion(codes) == code


@pytest.mark.parametrize(("option", "codes"), [("--version", [0, 0]), ("--no-such-option", [4])])
def test_what_ran_beside_is_shown_with_its_code(
    option: str, codes: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [testing.Run(title, [option], os.environ) for title in ("SQLite", "PostgreSQL")]
    assert testing.Beside(runs).finish() == codes
    shown = capsys.readouterr().out
    assert "=== Tests on SQLite (they ran beside)" in shown
    assert "pytest" in shown


def test_an_unreached_service_is_a_failure_only_where_it_must_be_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert testing._conclude(0, ["Redis at r"], strict=False) == 0
    assert "Not tested, since not reached: Redis at r." in capsys.readouterr().err
    assert testing._conclude(0, ["Redis at r"], strict=True) == 1


def test_a_failed_run_stays_failed() -> None:
    assert testing._conclude(3, [], strict=False) == 3


def test_a_service_that_refuses_is_named_without_its_password() -> None:
    unreachable = "redis://:secret@127.0.0.1:1/0"
    environ = {"TEST_POSTGRES_URL": "postgres://u:secret@127.0.0.1:1/x", "TEST_REDIS_URL": unreachable}
    environ["TEST_RABBITMQ_URL"] = "amqp://u:secret@127.0.0.1:1//"
    reached, missing = services.probe(environ)
    assert reached == {}
    assert [phrase.split()[0] for phrase in missing] == ["PostgreSQL", "Redis", "RabbitMQ"]
    assert "secret" not in " ".join(missing)


def test_a_program_that_is_not_there_is_named_with_what_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert [phrase.split()[0] for phrase in services.missing_programs()] == [*services.PROGRAMS]
    assert "for the README's JavaScript" in services.missing_programs()[0]


def test_the_example_batch_lets_urgent_tasks_overtake() -> None:
    batch = __import__("json").loads(EXAMPLE_BATCH.read_text())
    kinds = [(task["operation"], task["priority"]) for task in batch]
    assert kinds == [("4+7", 9)] * 40 + [("4+9", 1)] * 14


def test_the_demos_table_counts_by_priority_and_status() -> None:
    tasks = [
        {"operation": "4+7", "priority": 9, "status": "PENDING"},
        {"operation": "4+9", "priority": 1, "status": "SUCCESS"},
        {"operation": "4+9", "priority": 1, "status": "ERROR"},
    ]
    lines = demo.table(tasks)
    assert lines[0].split() == ["priority", "operation", "PENDING", "STARTED", "SUCCESS", "ERROR"]
    assert [line.split() for line in lines[1:]] == [
        ["1", "4+9", "0", "0", "1", "1"],
        ["9", "4+7", "1", "0", "0", "0"],
    ]


@pytest.mark.parametrize("arguments", [["--port", "0"], ["--port", "x"], ["--workers", "0"], ["tset"]])
def test_a_wrong_argument_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert "run.py: error" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("allowed", "host"),
    [("", "x:1"), ("*", "x:1"), (".example.org", "example.org"), ("a.example, b.example", "a.example")],
)
def test_the_health_check_calls_a_host_that_is_allowed(allowed: str, host: str) -> None:
    assert probe.host_header(allowed, "x:1") == host


@pytest.mark.parametrize(
    ("required", "says"), [("true", "Bearer $KEY"), ("false", "without a key"), ("", "without a key")]
)
def test_the_greeting_says_whether_a_key_is_asked_for(
    required: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEYS_REQUIRED", required)
    assert says in cli._greeting(Options(), None, "admin:x")


def test_the_greetings_way_to_a_key_is_in_the_data_folder_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS_REQUIRED", "true")
    monkeypatch.setenv("SCHEDULER_DATA_DIR", "/a folder")
    assert "A key:   SCHEDULER_DATA_DIR='/a folder' /" in cli._greeting(Options(), None, "admin:x")


def test_what_could_not_be_prepared_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "VENV_PYTHON", "false")
    with pytest.raises(LauncherError, match=r"\(manage\.py migrate\)"):
        cli._prepare_database({})
