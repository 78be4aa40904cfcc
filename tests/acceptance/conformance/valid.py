"""From data that a JSON Schema takes to data that the service takes: rules between fields, and with what is stored.

Everything is chosen by what was generated, never at random: a seed gives the same requests again.
"""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

from tests.acceptance.conformance import stored

Body = dict[str, Any]

EXPRESSIONS = ("4+7", "(1.5+2)*3", "-2**7", "1/3")
CALLBACKS = ("http://127.0.0.1/", "HTTP://127.0.0.1/hook?id=%C3%BC")
KINDS = ("every_x_days", "every_x_hours", "every_x_minutes", "every_x_seconds")
CRONS = ("30 6 * * MON-FRI", "*/5 * * * *", "0 0 29 2 *", "@daily", "0 9 L * *")
RRULES = (
    "FREQ=MONTHLY;BYDAY=-1FR",
    "FREQ=DAILY;INTERVAL=3;BYHOUR=1,2",
    "DTSTART;TZID=Europe/Berlin:20300101T090000\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE",
    "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29\nEXDATE:20320229T000000Z",
)
DAY_RULES = (
    "FREQ=WEEKLY;BYDAY=SA,SU",
    "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=1",
    "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca")
DAYS = tuple(
    f"20{year}-{month:02}-{day:02}" for year in (26, 30, 31) for month in (1, 2, 12) for day in (1, 25, 28)
)
LAST = "2999-12-31T23:59:59Z"

SOME_IDS = 100

STATE_CODES = {
    "no_such_occurrence",  # moved or restored: the schedule has none at this time
    "too_many_occurrences",  # backfill: the schedule has too many in this range
    "too_far_ahead",  # preview: too many of a schedule with a limit lie before it
}
"""Codes of faults which the same request has not with another schedule."""


def pick(given: Any, options: Sequence[Any]) -> Any:
    """One of the options, always the same one for the same value."""
    return options[crc32(json.dumps(given, sort_keys=True, default=str).encode()) % len(options)]


def mend(case: Any) -> None:
    """Make a request that its schema takes one that the service takes, too."""
    if case.query and "cursor" in case.query:
        query = {name: value for name, value in case.query.items() if name != "cursor"}
        case.query = {**query, **stored.cursor(case)}
    if case.query:
        case.query = _findable(_visible(case.query))
    mender = MENDERS.get(case.operation.label)
    if mender is not None and isinstance(case.body, (dict, list)):
        case.body = mender(_visible(case.body))
    if case.operation.path.endswith(("/move/", "/restore/")):
        case.body = {**case.body, **stored.occurrence(case)}


def _findable(query: Body) -> Body:
    """Filters by what there is: of random words, every page would be empty. And hosts that are no riddles."""
    words = {
        "operation": (*EXPRESSIONS, "debug.echo"),
        "queue": ("tasks",),
        "tag": ("invoices",),
        "callback_url": CALLBACKS,
    }
    found = {name: pick(value, words[name]) if name in words else value for name, value in query.items()}
    # A request line has 8190 characters: room for all ids, or for some and every other filter.
    ids = found.get("ids", [])
    if isinstance(ids, str) and ids.count(",") >= SOME_IDS:
        found["ids"] = ",".join(ids.split(",")[:SOME_IDS])
    elif isinstance(ids, list) and len(ids) > SOME_IDS:
        found["ids"] = ids[:SOME_IDS]
    return found


# White space to Python, which the service strips, but not to ECMA 262, whose patterns Swagger has.
_BLANK = {ord(character): "x" for character in "\x1c\x1d\x1e\x1f\x85"}


def _visible(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _visible(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_visible(inner) for inner in value]
    return value.translate(_BLANK) if isinstance(value, str) else value


def _task(body: Body) -> Body:
    body = _template(body)
    body = _with_callback(body)
    if body.get("expires_at") is not None:
        body["expires_at"] = LAST
        if (body.get("run_at") or "").startswith("2999"):
            body["run_at"] = None
    return body


def _with_callback(body: Body) -> Body:
    url = body.get("callback_url")
    return body if url is None else {**body, "callback_url": pick(url, CALLBACKS)}


def _template(body: Body) -> Body:
    """An operation with arguments that fit."""
    arguments = _storable(body.get("arguments", {}))
    operation, arguments = pick(
        body.get("operation"),
        [
            *((expression, {}) for expression in EXPRESSIONS),
            ("arithmetic", {"expression": pick(arguments, EXPRESSIONS)}),
            ("debug.echo", arguments),
            ("debug.fail", {"retryable": not arguments}),
            ("debug.sleep", {"seconds": 0.1}),
        ],
    )
    return {**body, "operation": operation, "arguments": arguments}


def _storable(value: Any, depth: int = 0) -> Any:
    """Integers of 64 bits, and no deeper than JSON may be here."""
    if isinstance(value, dict):
        return {key: _storable(inner, depth + 1) for key, inner in value.items()} if depth < 50 else {}
    if isinstance(value, list):
        return [_storable(inner, depth + 1) for inner in value] if depth < 50 else []
    return value % 2**63 if isinstance(value, int) and not isinstance(value, bool) else value


def _new_schedule(body: Body) -> Body:
    return _schedule(_template(body), is_new=True)


def _preview(body: Body) -> Body:
    # Without an operation, nobody looks at the arguments.
    return _schedule(_template(body) if "operation" in body else _storable(body), is_new=True)


def _changes(body: Body) -> Body:
    # The stored operation decides which arguments fit, so that both change or none.
    both = {"operation", "arguments"}
    has_template = both & body.keys()
    return _schedule(_template(body) if has_template else {**body}, is_new=False)


def _schedule(body: Body, *, is_new: bool) -> Body:
    body = _with_callback(_with_one_kind(body, is_new=is_new))
    if "timezone" in body:
        body["timezone"] = pick(body["timezone"], ZONES)
    if "jitter_seconds" in body:
        body["jitter_seconds"] = min(body["jitter_seconds"], 1)
    if "excluded_dates" in body:
        body["excluded_dates"] = _different(body["excluded_dates"], DAYS)
    if "calendars" in body:
        body["calendars"] = _different(body["calendars"], sorted(stored.calendars))
    if body.get("ends_at") is not None:
        body["ends_at"] = LAST
    if (body.get("starts_at") or "") > "2990":
        body["starts_at"] = None
    return body


def _with_one_kind(body: Body, *, is_new: bool) -> Body:
    """Intervals, or cron, or rrule."""
    given = [name for name in (*KINDS, "cron", "rrule") if body.get(name) is not None]
    others = {name: value for name, value in body.items() if name not in (*KINDS, "cron", "rrule")}
    if not given:
        # Its first occurrence lies ahead, so that it can be moved.
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        return {"starts_at": tomorrow, **others, "every_x_hours": 6} if is_new else others
    chosen = pick(body, given)
    none = {} if is_new else dict.fromkeys((*KINDS, "cron", "rrule"))
    if chosen == "cron":
        return {**others, **none, "cron": pick(body["cron"], CRONS)}
    if chosen == "rrule":
        # Its DTSTART would have to be that of the request.
        free = {name: value for name, value in others.items() if name not in ("starts_at", "timezone")}
        return {**free, **none, "rrule": pick(body["rrule"], RRULES)}
    return {**others, **none, **{name: body[name] for name in given if name in KINDS}}


def _different(given: list[Any], options: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(pick(one, options) for one in given)) if options else []


def _calendar(body: Body) -> Body:
    body = dict(body)
    if "dates" in body:
        body["dates"] = _different(body["dates"], DAYS)
    if "rrules" in body:
        body["rrules"] = _different(body["rrules"], DAY_RULES)
    return body


def _pause(body: Body) -> Body:
    return {**body, "until": LAST} if body.get("until") is not None else body


def _backfill(body: Body) -> Body:
    first = pick(body["from"], ("2024-02-28T00:00:00Z", "2025-12-01T00:00:00+01:00"))
    return {**body, "from": first, "to": pick(body["to"], ("2026-01-01T00:00:00Z", "2026-01-31T12:00:00.5Z"))}


def _move(body: Body) -> Body:
    ahead = timedelta(days=pick(body["to"], (1, 40, 300)))
    return {**body, "to": (datetime.now(UTC) + ahead).isoformat()}


def _trigger(body: Body) -> Body:
    return {**body, "arguments": _storable(body["arguments"])} if body.get("arguments") else body


MENDERS: dict[str, Callable[[Any], Any]] = {
    "POST /tasks/": _task,
    "POST /tasks/batch-request/": lambda items: [_task(item) for item in items],
    "POST /task-schedules/": _new_schedule,
    "POST /task-schedules/preview/": _preview,
    "PATCH /task-schedules/{schedule_id}/": _changes,
    "POST /task-schedules/{schedule_id}/pause/": _pause,
    "POST /task-schedules/{schedule_id}/trigger/": _trigger,
    "POST /task-schedules/{schedule_id}/move/": _move,
    "POST /task-schedules/{schedule_id}/backfills/": _backfill,
    "POST /calendars/": _calendar,
    "PATCH /calendars/{name}/": _calendar,
}


def is_refused_by_state(case: Any, problem: dict[str, Any]) -> bool:
    """Whether all that is wrong with the request follows from the schedule that it names."""
    faults = problem["errors"]
    if case.operation.label == "POST /task-schedules/{schedule_id}/trigger/":
        # The operation of the schedule decides which arguments fit.
        return bool(faults) and all(
            re.match("#/arguments(/|$)", fault.get("pointer", "")) for fault in faults
        )
    return bool(faults) and all(fault["code"] in STATE_CODES for fault in faults)
