"""/calendars/ and /calendars/{name}/."""

from datetime import timedelta

import pytest

from schedules_app.models import Calendar
from tests.integration.http import client, faults, get, post, problem
from tests.integration.schedule_http import clock, ledger_of, made, patch, read, tick, url_of  # noqa: F401
from tests.integration.schedules import NOON

pytestmark = pytest.mark.django_db

LIST = "/calendars/"
HOLIDAYS = {"name": "holidays", "description": "Public", "dates": ["2030-01-02"], "rrules": []}


def calendar(**fields):
    response = post(LIST, {**HOLIDAYS, **fields})
    assert response.status_code == 201, response.content
    return response.json()


def daily(**fields):
    return made(cron="0 6 * * *", **fields)


def test_a_new_calendar_is_shown_whole_with_its_address():
    response = post(LIST, HOLIDAYS)
    body = response.json()
    assert (response.status_code, response.headers["Location"]) == (201, "/calendars/holidays/")
    assert HOLIDAYS.items() <= body.items()
    assert body["revision"] == 1
    assert get(response.headers["Location"]).json() == body


def test_a_calendar_needs_no_more_than_a_name():
    body = post(LIST, {"name": "empty"}).json()
    assert (body["description"], body["dates"], body["rrules"]) == ("", [], [])


def test_the_address_of_a_new_calendar_keeps_the_version():
    response = post(f"/api/v1{LIST}", HOLIDAYS)
    assert response.headers["Location"] == "/api/v1/calendars/holidays/"
    assert get(response.headers["Location"]).status_code == 200


def test_calendars_are_listed_by_name_in_pages():
    for name in ("b", "C", "a", "d.e-f_1"):
        calendar(name=name)
    names, url = [], f"{LIST}?page_size=3"
    while url:
        page = get(url).json()
        names += [item["name"] for item in page["results"]]
        url = page["next"]
    assert sorted(names) == sorted(("b", "C", "a", "d.e-f_1"))
    back = [item["name"] for item in get(f"{LIST}?ordering=-name").json()["results"]]
    assert back == names[::-1]


def test_a_taken_name_is_a_conflict_and_changes_nothing():
    before = calendar()
    assert problem(post(LIST, {**HOLIDAYS, "dates": []}), 409)["code"] == "calendar_exists"
    assert get(f"{LIST}holidays/").json() == before


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"name": ""}, "#/name", "blank"),
        ({"name": None}, "#/name", "null"),
        ({"name": "a/b"}, "#/name", "invalid"),
        ({"name": "-a"}, "#/name", "invalid"),
        ({"name": "é"}, "#/name", "invalid"),
        ({"name": "x" * 65}, "#/name", "invalid"),
        ({"name": 7}, "#/name", "invalid"),
        ({"description": "x" * 201}, "#/description", "max_length"),
        ({"dates": ["2030-02-30"]}, "#/dates", "invalid_recurrence"),
        ({"dates": ["25.12.2030"]}, "#/dates", "invalid_recurrence"),
        ({"dates": ["2030-12-25T00:00:00Z"]}, "#/dates/0", "max_length"),
        ({"dates": ["2030-12-25", "2030-12-25"]}, "#/dates/1", "duplicate"),
        ({"dates": [20301225]}, "#/dates/0", "invalid"),
        ({"dates": "2030-12-25"}, "#/dates", "not_a_list"),
        ({"dates": None}, "#/dates", "null"),
        ({"dates": ["2030-12-25"] * 1001}, "#/dates", "max_length"),
        ({"rrules": ["FREQ=NEVER"]}, "#/rrules", "invalid_recurrence"),
        ({"rrules": ["nonsense"]}, "#/rrules", "invalid_recurrence"),
        ({"rrules": ["FREQ=HOURLY"]}, "#/rrules", "invalid_recurrence"),
        ({"rrules": ["X" * 1001]}, "#/rrules/0", "max_length"),
        ({"rrules": [f"FREQ=YEARLY;BYMONTHDAY={day}" for day in range(1, 22)]}, "#/rrules", "max_length"),
        ({"revision": 3}, "#/revision", "unknown_field"),
        ({"days": []}, "#/days", "unknown_field"),
    ],
)
def test_a_wrong_field_is_refused_by_name(fields, pointer, code):
    assert faults(post(LIST, {**HOLIDAYS, **fields})) == {(pointer, code)}
    assert not Calendar.objects.exists()


@pytest.mark.parametrize("body", [[], "text", 5])
def test_a_body_that_is_no_object_is_refused(body):
    problem(post(LIST, body), 400)
    calendar()
    problem(patch(f"{LIST}holidays/", body), 400)


def test_a_patch_changes_only_what_it_names():
    before = calendar()
    after = patch(f"{LIST}holidays/", {"description": "Bank"}).json()
    assert {name for name in after if after[name] != before[name]} <= {
        "description",
        "revision",
        "updated_at",
    }
    assert (after["description"], after["revision"]) == ("Bank", 2)
    assert get(f"{LIST}holidays/").json() == after


@pytest.mark.parametrize("changes", [{}, {"description": "Public"}, {"dates": ["2030-01-02"]}])
def test_a_patch_that_changes_nothing_makes_no_revision(changes):
    before = calendar()
    assert patch(f"{LIST}holidays/", changes).json() == before


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"name": "other"}, "#/name", "unknown_field"),
        ({"dates": ["2030-13-01"]}, "#/dates", "invalid_recurrence"),
        ({"rrules": ["FREQ=DAILY;BYMONTH=13"]}, "#/rrules", "invalid_recurrence"),
        ({"dates": None}, "#/dates", "null"),
    ],
)
def test_a_wrong_patch_is_refused_by_name_and_changes_nothing(changes, pointer, code):
    before = calendar()
    assert faults(patch(f"{LIST}holidays/", changes)) == {(pointer, code)}
    assert get(f"{LIST}holidays/").json() == before


@pytest.mark.parametrize("name", ["nobody", "%00", "%ED%A0%80", "x" * 500, "a%20b"])
@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_an_unknown_calendar_is_a_404_that_says_so(name, method):
    body = {} if method == "get" else {"data": {}, "format": "json"}
    assert problem(getattr(client, method)(f"{LIST}{name}/", **body), 404)["code"] == "not_found"


@pytest.mark.parametrize(("method", "path"), [("get", LIST), ("post", LIST), ("get", f"{LIST}holidays/")])
def test_an_unknown_parameter_is_refused(method, path):
    calendar()
    response = client.generic(method.upper(), f"{path}?unknown=1", "{}", "application/json")
    assert {pointer for pointer, _ in faults(response)} == {"unknown"}


def test_a_deleted_calendar_is_gone_and_its_name_free():
    calendar()
    response = client.delete(f"{LIST}holidays/")
    assert (response.status_code, response.content) == (204, b"")
    problem(get(f"{LIST}holidays/"), 404)
    calendar()


def test_a_calendar_in_use_is_not_deleted_before_the_last_schedule_lets_go():
    calendar()
    first, second = daily(calendars=["holidays"]), daily(calendars=["holidays"])
    told = problem(client.delete(f"{LIST}holidays/"), 409)
    assert (told["code"], "2 schedules use" in told["detail"]) == ("calendar_in_use", True)
    assert patch(url_of(first), {"calendars": []}).status_code == 200
    assert "1 schedule uses" in problem(client.delete(f"{LIST}holidays/"), 409)["detail"]
    assert client.delete(url_of(second)).status_code == 204
    assert client.delete(f"{LIST}holidays/").status_code == 204


def test_a_schedule_keeps_calendars_that_exist_only():
    calendar()
    body = {"operation": "4+7", "cron": "0 6 * * *", "calendars": ["holidays", "no-such"]}
    assert faults(post("/task-schedules/", body)) == {("#/calendars/1", "unknown_calendar")}
    schedule = daily()
    assert faults(patch(url_of(schedule), {"calendars": ["no-such"]})) == {
        ("#/calendars/0", "unknown_calendar")
    }
    assert read(schedule) == schedule


def test_a_change_moves_the_next_occurrence_of_the_schedules_that_keep_it():
    calendar()
    keeps, does_not = daily(calendars=["holidays"]), daily()
    assert keeps["next_run_at"].startswith("2030-01-03T06:00")
    patch(f"{LIST}holidays/", {"dates": ["2030-01-02", "2030-01-03"]})
    assert read(keeps)["next_run_at"].startswith("2030-01-04T06:00")
    patch(f"{LIST}holidays/", {"dates": []})
    assert read(keeps)["next_run_at"].startswith("2030-01-02T06:00")
    assert read(does_not) == does_not


def test_a_new_description_touches_no_schedule():
    calendar()
    keeps = daily(calendars=["holidays"])
    patch(f"{LIST}holidays/", {"description": "Bank"})
    assert read(keeps) == keeps


def test_days_that_are_left_out_stand_in_the_ledger_and_fire_nothing():
    calendar(dates=["2030-01-02", "2030-01-03"])
    keeps = daily(calendars=["holidays"])
    tick(NOON + timedelta(days=3), step=timedelta(hours=6))
    rows = [(row["occurs_at"][:10], row["verdict"], row["reason"]) for row in ledger_of(keeps)]
    assert rows == [
        ("2030-01-02", "SKIPPED", "excluded"),
        ("2030-01-03", "SKIPPED", "excluded"),
        ("2030-01-04", "FIRED", ""),
    ]


@pytest.mark.parametrize(
    ("roll", "days", "notes"),
    [
        ("skip", ["01-02", "01-03", "01-04"], [["excluded"], ["excluded"], []]),
        ("next", ["01-04", "01-05", "01-06"], [["rolled"], [], []]),
        ("previous", ["01-04", "01-05", "01-06"], [[], [], []]),
    ],
)
def test_a_preview_shows_where_occurrences_roll(roll, days, notes):
    calendar(dates=["2030-01-02", "2030-01-03"])
    schedule = daily(calendars=["holidays"], roll=roll, starts_at="2029-12-01T00:00:00Z")
    seen = get(url_of(schedule, "preview/"), count=3).json()["occurrences"]
    assert [item["occurs_at"][5:10] for item in seen] == days
    assert [item["notes"] for item in seen] == notes
    assert [item["fires"] for item in seen] == ["excluded" not in found for found in notes]
    assert schedule["next_run_at"] == next(item["occurs_at"] for item in seen if item["fires"])


def test_a_calendar_of_weekends_rolls_to_the_friday_before():
    calendar(name="weekend", dates=[], rrules=["FREQ=WEEKLY;BYDAY=SA,SU"])
    schedule = made(rrule="FREQ=MONTHLY;BYMONTHDAY=5", calendars=["weekend"], roll="previous")
    seen = get(url_of(schedule, "preview/"), count=1).json()["occurrences"]
    # 2030-01-05 is a Saturday.
    assert [(item["occurs_at"][:10], item["notes"]) for item in seen] == [("2030-01-04", ["rolled"])]


def test_a_change_of_a_calendar_without_a_body_is_refused():
    calendar()
    assert faults(client.patch("/calendars/holidays/")) == {("#", "required")}
