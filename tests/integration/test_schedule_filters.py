"""Filters of the lists of schedules and occurrences, and the alerts that /health/ready counts."""

import pytest

from schedules_app import store
from schedules_app.models import VERDICTS, Occurrence, TaskSchedule
from schedules_app.records import Origin, Reason
from tasks_app import doorbell
from tests.integration.http import faults, get, post
from tests.integration.schedule_http import act, clock, ledger_of, made, shown, tick, url_of  # noqa: F401
from tests.integration.schedules import HOUR, NOON

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def broker(monkeypatch):
    monkeypatch.setattr(doorbell, "broker_is_reachable", lambda: True)


def listed(**filters):
    response = get("/task-schedules/", **filters)
    assert response.status_code == 200, response.content
    return {item["name"] for item in response.json()["results"]}


def with_alerts():
    """Four schedules, named by their alerts."""
    states = {
        "none": {},
        "failing": {"consecutive_failures": 3},
        "overdue": {"success_overdue_since": NOON},
        "both": {"consecutive_failures": 4, "success_overdue_since": NOON},
    }
    for name, columns in states.items():
        schedule = made(name=name, alert_after_failures=3)
        TaskSchedule.objects.filter(pk=schedule["task_schedule_id"]).update(**columns)


def test_schedules_are_found_by_their_alerts():
    with_alerts()
    assert listed(alert="true") == {"failing", "overdue", "both"}
    assert listed(alert="failing") == {"failing", "both"}
    assert listed(alert="success_overdue") == {"overdue", "both"}
    assert listed() == {"none", "failing", "overdue", "both"}


def test_the_alert_filter_agrees_with_the_alerts_that_are_shown():
    with_alerts()
    shown_alerts = {item["name"]: item["alerts"] for item in get("/task-schedules/").json()["results"]}
    for alert in ("failing", "success_overdue"):
        assert listed(alert=alert) == {name for name, alerts in shown_alerts.items() if alert in alerts}
    assert shown_alerts["none"] == []


def test_one_failure_less_or_no_limit_is_no_alert():
    made(name="two", alert_after_failures=3)
    made(name="no limit")
    TaskSchedule.objects.filter(name="two").update(consecutive_failures=2)
    TaskSchedule.objects.filter(name="no limit").update(consecutive_failures=99)
    assert listed(alert="true") == set()


def test_filters_of_schedules_combine():
    with_alerts()
    key = TaskSchedule.objects.get(name="both").pk
    act({"task_schedule_id": key}, "pause")
    assert listed(alert="true", status="PAUSED") == {"both"}
    assert listed(alert="true", status="ACTIVE") == {"failing", "overdue"}


@pytest.mark.parametrize("text", ["false", "TRUE", "failing,success_overdue", "1", "x"])
def test_an_unknown_alert_is_refused(text):
    [(parameter, _)] = faults(get("/task-schedules/", alert=text))
    assert parameter == "alert"


def health():
    response = get("/health/ready")
    return response.status_code, response.json()["status"], response.json()["checks"]["schedules"]["alerts"]


def test_health_counts_the_alerts_and_stays_as_it_is():
    assert health() == (200, "ok", 0)
    with_alerts()
    TaskSchedule.objects.update(next_run_at=NOON + HOUR, due_at=NOON + HOUR)
    assert health() == (200, "ok", 3)


def test_health_counts_alerts_as_far_as_a_bound(monkeypatch):
    monkeypatch.setattr("schedules_app.queries.MOST_ALERTS", 2)
    with_alerts()
    assert health()[2] == 2


# The ledger


@pytest.fixture
def schedule():
    """A schedule with rows of each verdict, reason and origin."""
    schedule = made(cron="0 * * * *", starts_at="2029-12-01T00:00:00Z")
    rows = [{"verdict": "SKIPPED", "reason": reason} for reason in Reason]
    rows += [{"verdict": verdict} for verdict in VERDICTS if verdict != "SKIPPED"]
    rows += [{"verdict": "FIRED", "origin": origin} for origin in Origin if origin != Origin.SCHEDULE]
    for number, row in enumerate(rows):
        key = None if row["verdict"] == "SKIPPED" else schedule["task_schedule_id"]
        Occurrence.objects.create(
            task_schedule_id=schedule["task_schedule_id"],
            occurs_at=NOON - number * HOUR,
            decided_at=NOON,
            revision=1,
            task_id=key,
            **row,
        )
    return schedule


@pytest.mark.parametrize("reason", [reason.value for reason in Reason])
def test_the_ledger_is_found_by_a_reason(schedule, reason):
    assert [row["reason"] for row in ledger_of(schedule, reason=reason)] == [reason]


@pytest.mark.parametrize("origin", [origin.value for origin in Origin])
def test_the_ledger_is_found_by_an_origin(schedule, origin):
    rows = ledger_of(schedule, origin=origin)
    assert {row["origin"] for row in rows} == {origin}
    assert len(rows) == Occurrence.objects.filter(origin=origin).count()


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_ledger_is_found_by_a_verdict(schedule, verdict):
    rows = ledger_of(schedule, verdict=verdict)
    assert {row["verdict"] for row in rows} == {verdict}
    assert len(rows) == Occurrence.objects.filter(verdict=verdict).count()


def test_filters_of_the_ledger_take_several_words_and_combine(schedule):
    assert len(ledger_of(schedule, reason="missed,paused")) == 2
    assert len(ledger_of(schedule, reason=["missed", "paused"])) == 2
    assert len(ledger_of(schedule, verdict="FIRED,LATE")) == 4
    assert ledger_of(schedule, verdict="FIRED", reason="missed") == []
    assert len(ledger_of(schedule, verdict="FIRED", origin="manual,backfill")) == 2
    assert len(ledger_of(schedule, occurs_after=shown(NOON - HOUR), verdict="SKIPPED")) == 2


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        ("verdict", "fired"),
        ("verdict", ""),
        ("reason", "because"),
        ("reason", "missed,because"),
        ("origin", "person"),
        ("occurs_after", "yesterday"),
        ("occurs_before", "2030-01-01T00:00:00"),
        ("unknown", "1"),
    ],
)
def test_a_wrong_filter_of_the_ledger_is_refused(schedule, parameter, text):
    [(found, _)] = faults(get(url_of(schedule, "occurrences/"), **{parameter: text}))
    assert found == parameter


def test_what_really_happens_is_found_by_its_origin_and_reason():
    schedule = made(
        cron="0 * * * *", starts_at="2029-12-01T00:00:00Z", excluded_dates=["2030-01-01T13:00:00Z"]
    )
    tick(NOON)
    act(schedule, "trigger", status=201)
    body = {"from": "2030-01-01T10:00:00Z", "to": "2030-01-01T11:00:00Z"}
    assert post(url_of(schedule, "backfills/"), body).status_code == 202
    store.work_backfills(NOON)
    tick(NOON + 2 * HOUR, step=HOUR)
    counts = {origin: len(ledger_of(schedule, origin=origin, verdict="FIRED,LATE")) for origin in Origin}
    assert counts == {"schedule": 2, "manual": 1, "backfill": 2}
    assert [row["occurs_at"] for row in ledger_of(schedule, reason="excluded")] == [shown(NOON + HOUR)]
