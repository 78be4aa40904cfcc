"""What the answers so far have shown: requests about ids that nobody has would only ever be answered with 404."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

UNKNOWN_EVERY = 8
"""One of so many requests is about what does not exist."""

REPEATED_EVERY = 6
"""One of so many Idempotency-Keys is sent as it was generated, so that it may have been sent before."""

WAITING = "waiting_id"
"""Kept like a parameter of paths: ids of tasks that wait for their time, and can so be cancelled or deleted."""

CREATED = {
    ("POST", "/tasks/"): ("task_id", "task_id"),
    ("POST", "/task-schedules/"): ("schedule_id", "task_schedule_id"),
    ("POST", "/task-schedules/{schedule_id}/trigger/"): ("task_id", "task_id"),
    ("POST", "/task-schedules/{schedule_id}/backfills/"): ("backfill_id", "backfill_id"),
    ("POST", "/calendars/"): ("name", "name"),
}
"""Which answers show something new: the parameter of paths that it is for, and the field that has it."""

LISTS = {
    "/tasks/",
    "/task-schedules/",
    "/calendars/",
    "/task-schedules/{schedule_id}/tasks/",
    "/task-schedules/{schedule_id}/occurrences/",
    "/task-schedules/{schedule_id}/backfills/",
}
NEWEST = 20
"""How many of each kind are remembered: older ones have been through much already."""

PARAMETERS = ("backfill_id", "schedule_id", "task_id", "name")


def _stored_before() -> dict[str, list[dict[str, str]]]:
    """What the test has made: the first requests shall have something to be about, too."""
    things = json.loads(os.environ.get("CONFORMANCE_STORED", "[]"))
    parts = {name: (name,) for name in PARAMETERS} | {"backfill_id": ("schedule_id", "backfill_id")}
    parts[WAITING] = ("task_id",)
    return {
        kind: [{name: one[name] for name in names} for one in things if one.keys() >= set(names)]
        for kind, names in parts.items()
    }


_paths = _stored_before()
_cursors: dict[tuple[str, str], list[str]] = {}
_schedules: dict[str, dict[str, Any]] = {}
_turns = count(1)
calendars: set[str] = set()
"""The names of the calendars that exist."""


def learn(case: Any, response: Any) -> None:
    """Remember ids, names and cursors that requests can use; forget what was deleted."""
    status, path = response.status_code, case.operation.path
    if status in {200, 201} and path.startswith("/task-schedules/") and _is_schedule(response.json()):
        _schedules[response.json()["task_schedule_id"]] = response.json()
    if status in {201, 202} and (case.method, path) in CREATED:
        _remember(case, response.json(), *CREATED[case.method, path])
    elif status == 204:
        _forget(dict(case.path_parameters))
    elif status == 200 and (case.method, path) == ("POST", "/tasks/{task_id}/cancel/"):
        _paths[WAITING] = [path for path in _paths[WAITING] if path["task_id"] != response.json()["task_id"]]
    elif case.method == "GET" and status == 200 and path in LISTS:
        page = response.json()
        for link in filter(None, (page["next"], page["previous"])):
            if found := parse_qs(urlsplit(link).query).get("cursor"):
                _cursors.setdefault(_list_of(case), []).append(found[0])


def _is_schedule(answer: Any) -> bool:
    return "overrides" in answer


def occurrence(case: Any) -> dict[str, str]:
    """An occurrence of this schedule that can be moved, or restored."""
    schedule = _schedules.get(case.path_parameters["schedule_id"], {})
    overrides = schedule.get("overrides")
    is_restored = case.operation.path.endswith("/restore/")
    at = overrides[0]["occurs_at"] if is_restored and overrides else schedule.get("next_run_at")
    return {"occurs_at": at} if at and next(_turns) % UNKNOWN_EVERY else {}


def _remember(case: Any, answer: dict[str, Any], parameter: str, field: str) -> None:
    if field not in answer:
        return
    path = {**case.path_parameters, parameter: answer[field]}
    is_waiting = case.operation.path == "/tasks/" and answer["status"] == "SCHEDULED"
    for kind in (parameter, WAITING) if is_waiting else (parameter,):
        known = _paths[kind]
        known.append(path)
        del known[:-NEWEST]
    if parameter == "name":
        calendars.add(answer[field])


def _forget(gone: dict[str, str]) -> None:
    for known in _paths.values():
        known[:] = [path for path in known if not gone.items() <= path.items()]
    calendars.discard(gone.get("name", ""))


def lead(case: Any) -> None:
    """Let a request be about something that exists, mostly."""
    known, turn = _known(case), next(_turns)
    if not known or turn % UNKNOWN_EVERY == 0:
        return
    path = known[turn % len(known)]
    case.path_parameters = {name: path[name] for name in case.path_parameters}


def _known(case: Any) -> list[dict[str, str]]:
    """Paths of this address with what exists, and what the action can be done with, where there is such."""
    name = next((name for name in PARAMETERS if name in case.path_parameters), None)
    if name is None:
        return []
    known = _paths[name]
    if name == "task_id" and (case.method == "DELETE" or case.operation.path.endswith("/cancel/")):
        return (_paths[WAITING] if next(_turns) % 3 else []) or known
    if action := ACTIONS.get(case.operation.path.rsplit("/", 2)[1]):
        return [path for path in known if action(_schedules.get(path["schedule_id"], {}))] or known
    return known


def _has_one_ahead(schedule: dict[str, Any]) -> bool:
    return (schedule.get("next_run_at") or "") > (datetime.now(UTC) + timedelta(minutes=5)).isoformat()


def _has_overrides(schedule: dict[str, Any]) -> bool:
    return bool(schedule.get("overrides"))


ACTIONS = {"move": _has_one_ahead, "restore": _has_overrides}


def cursor(case: Any) -> dict[str, str]:
    """A cursor of this list, if one was shown: they are signed, for one list and one ordering."""
    known = _cursors.get(_list_of(case))
    return {"cursor": known[next(_turns) % len(known)]} if known else {}


def _list_of(case: Any) -> tuple[str, str]:
    return case.operation.path, str((case.query or {}).get("ordering", ""))


def match(case: Any) -> None:
    """Let a change be one of the schedule as it is, mostly."""
    if "If-Match" in (case.headers or {}) and next(_turns) % UNKNOWN_EVERY:
        case.headers["If-Match"] = "*"


def renew_key(case: Any) -> None:
    """Make an Idempotency-Key one that was not sent before, mostly: generators like to send the same again."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch("[!-~]{1,200}", key) and (turn := next(_turns)) % REPEATED_EVERY:
        case.headers["Idempotency-Key"] = f"{key}-{turn}"
