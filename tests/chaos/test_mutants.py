"""The checker finds each fault that is put into the service on purpose, and nothing without one."""

from collections.abc import Iterator

import pytest

from tests.chaos import roles
from tests.chaos.checker import RECOVERY_SECONDS, check
from tests.chaos.cluster import Cluster, running
from tests.chaos.mutants import MUTANTS
from tests.chaos.scenarios import SCENARIOS, Stage, killed_worker

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

TABLES = "tasks_task, tasks_attempt, schedules_occurrence, schedules_taskschedule, chaos_change"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Servers, one web process and one beat that all stories share."""
    with running(LEASE_SECONDS="3", RESCUE_INTERVAL_SECONDS="0.5") as cluster:
        (cluster.folder / "gates").mkdir()
        for process in roles.service(cluster.ports, beats=1):
            if process.name in ("web-1", "beat-1"):
                cluster.roles.start(process)
        cluster.wait(lambda: cluster.answers(cluster.ports[0]), "the web process", 60)
        yield cluster


@pytest.fixture
def clean_cluster(cluster: Cluster) -> Iterator[Cluster]:
    yield cluster
    cluster.broker.forget()
    with cluster.postgres.session() as cursor:
        cursor.execute(f"TRUNCATE {TABLES} CASCADE")
        cursor.execute(
            "ALTER TABLE schedules_occurrence DROP CONSTRAINT IF EXISTS occurrence_once,"
            " ADD CONSTRAINT occurrence_once UNIQUE (task_schedule_id, occurs_at)"
        )
    for path in cluster.journal.iterdir():
        path.unlink()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_mutant_is_caught(clean_cluster: Cluster, name: str) -> None:
    story, kind = SCENARIOS[name]
    violations = check(Stage(clean_cluster, name).play(story))
    assert kind in {violation.kind for violation in violations}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_same_story_without_the_mutant_breaks_no_promise(clean_cluster: Cluster, name: str) -> None:
    story, _ = SCENARIOS[name]
    assert check(Stage(clean_cluster, None).play(story)) == []


def test_a_killed_workers_task_is_begun_again_within_the_lease_and_half_a_minute(
    clean_cluster: Cluster,
) -> None:
    waits: list[float] = []
    history = Stage(clean_cluster, None).play(lambda stage: waits.append(killed_worker(stage)))
    assert check(history) == []
    assert waits[0] <= clean_cluster.lease_seconds + RECOVERY_SECONDS


def test_each_mutant_has_its_story() -> None:
    assert SCENARIOS.keys() == MUTANTS.keys()
