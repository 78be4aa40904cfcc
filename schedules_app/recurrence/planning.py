"""Which occurrences are fired, which are not and why, and when the schedule is looked at next."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from schedules_app.recurrence.base import EARLIEST, LATEST, CatchUp, Nominal, Rule
from schedules_app.recurrence.base import in_utc as _utc
from schedules_app.recurrence.intervals import Grid, has_closed_form
from schedules_app.recurrence.timeline import after_excluded_day, upcoming

MISSED = "missed"
"""The reason of a `Skipped` whose time went by; the others are those of `Skip`."""

MOST_ITEMS = 5_000
"""Most occurrences that one plan goes through one by one."""

MOST_PASSED = 2_000
"""Most occurrences in a row that a plan passes by on its way to the next one that fires."""

_MOST_LOOKED_AT = 40_000
_MOST_IN_ONE_DAY = 100
"""Occurrences after which it is worth a look whether the whole day is excluded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How missed occurrences are treated. What is on time is always fired, within the cap."""

    catch_up: CatchUp = CatchUp.LATEST
    window_seconds: float = 86_400
    """A missed occurrence that lies further back is not fired under any policy."""
    late_after_seconds: float = 60
    cap: int = 100
    """Most occurrences fired by one plan; the newest are kept."""
    ledger_rows: int = 10
    """Most entries of `Plan.skipped`; the oldest beyond it are summed up, those of one reason in one."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A run of `count` occurrences that are not fired, from `first` to `last`; mostly just one.

    `reason` is a value of `Skip`, or "missed". In a run of several, occurrences of an interval that fall together
    are counted each.
    """

    first: datetime
    last: datetime
    count: int
    reason: str = MISSED


@dataclass(frozen=True, slots=True)
class Plan:
    """The verdict on each occurrence before `next_at`, where the schedule is to be looked at again; None: never."""

    fires: tuple[Nominal, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Span:
    """The stretch of time that a plan decides on, and how."""

    first: datetime
    now: datetime
    until: datetime
    policy: Policy
    remaining: int | None

    def is_on_time(self, item: Nominal) -> bool:
        return not is_late(item.at, self.now, self.policy)

    def is_in_window(self, item: Nominal) -> bool:
        return (self.now - item.at).total_seconds() <= self.policy.window_seconds


def is_late(occurs_at: datetime, now: datetime, policy: Policy) -> bool:
    """Whether an occurrence that is fired `now` is later than the policy calls on time."""
    return (now - occurs_at).total_seconds() > policy.late_after_seconds


def next_after(rule: Rule, after: datetime) -> datetime | None:
    """The time of the first occurrence strictly after `after` that fires; None when there is none."""
    after = _utc("after", after)
    return _first_firing(rule, (item for item in upcoming(rule, after) if item.at > after))


def next_from(rule: Rule, moment: datetime) -> datetime | None:
    """The time of the first occurrence at or after `moment` that fires; None when there is none."""
    return _first_firing(rule, upcoming(rule, _utc("moment", moment)))


def _first_firing(rule: Rule, items: Iterator[Nominal]) -> datetime | None:
    """Gives up after about 40,000 occurrences, or 400 excluded days, that do not fire."""
    for _ in range(_MOST_LOOKED_AT // _MOST_IN_ONE_DAY):
        last = None
        for last in islice(items, _MOST_IN_ONE_DAY):
            if not last.skip:
                return last.at
        if last is None:
            return None
        if (later := after_excluded_day(rule, last.at)) is not None:
            items = upcoming(rule, later)
    return None


def jitter(key: bytes, at: datetime, seconds: int) -> timedelta:
    """How much later than `at` a task starts: from 0 to `seconds`, to the microsecond, the same at each call.

    It is a hash (SHA-256) of `key` and the time and not a random number, so that whoever plans the occurrence a
    second time comes to the same start.
    """
    if seconds <= 0:
        return timedelta(0)
    digest = hashlib.sha256(key + _utc("at", at).isoformat().encode()).digest()
    return timedelta(microseconds=int.from_bytes(digest[:16]) % (seconds * 1_000_000 + 1))


def plan_fires(
    rule: Rule,
    first: datetime,
    now: datetime,
    policy: Policy,
    *,
    remaining: int | None = None,
    until: datetime | None = None,
) -> Plan:
    """Decide on all occurrences from `first` to `until` (default `now`), both inclusive.

    `first` is the first occurrence without a verdict. Those between `now` and `until` are never late: their tasks
    are laid down ahead. What the rule itself skips, from `first` up to the next occurrence that fires, is decided,
    too. `remaining` is how many more may be fired in all, None meaning any number; once they are used up the rule
    is finished, and what would come later has no verdict.

    A rule that must be gone through one by one gets at most MOST_ITEMS verdicts at once, and `next_at` is then an
    occurrence that is due already: plan again.
    """
    if remaining is not None and remaining <= 0:
        return Plan()
    now = _utc("now", now)
    span = _Span(
        _utc("first", first), now, now if until is None else max(now, _utc("until", until)), policy, remaining
    )
    decide = _by_number if has_closed_form(rule) else _one_by_one
    return decide(rule, span)


def _one_by_one(rule: Rule, span: _Span) -> Plan:
    items = upcoming(rule, span.first)
    seen: list[Nominal] = []
    following = next(items, None)
    while following is not None and following.at <= span.until and len(seen) < MOST_ITEMS:
        seen.append(following)
        following = next(items, None)
    is_followed = following is not None and following.at <= span.until
    fires = _chosen(seen, span, is_followed=is_followed)
    if span.remaining is not None and len(fires) >= span.remaining:
        fires = fires[: span.remaining]
        seen = [item for item in seen if item.at <= fires[-1].at]
        following = None
    elif not is_followed:
        most = len(seen) + MOST_PASSED
        while following is not None and following.skip and len(seen) < most:
            seen.append(following)
            following = next(items, None)
    skipped = _ledger(seen, fires, span.policy.ledger_rows)
    return Plan(tuple(fires), skipped, following.at if following else None)


def _chosen(seen: Sequence[Nominal], span: _Span, *, is_followed: bool) -> list[Nominal]:
    """Those that are fired; `is_followed`: more are due behind them, so that none is the latest."""
    due = [item for item in seen if not item.skip]
    fires = [item for item in due if span.is_on_time(item)]
    late = due[: len(due) - len(fires)]
    match span.policy.catch_up:
        case CatchUp.ALL:
            fires = [item for item in late if span.is_in_window(item)] + fires
        case CatchUp.LATEST if late and not fires and not is_followed:
            fires = [item for item in late[-1:] if span.is_in_window(item)]
    return fires[max(0, len(fires) - span.policy.cap) :]


def _ledger(seen: Sequence[Nominal], fires: Sequence[Nominal], rows: int) -> tuple[Skipped, ...]:
    """The entries for all that are not fired; beyond `rows` the oldest are summed up."""
    fired = {item.at for item in fires}
    stretches: list[int] = []  # how many stretches of one reason there are up to each
    lost: list[tuple[datetime, str]] = []
    last = None
    for item in seen:
        reason = None if item.at in fired else str(item.skip or MISSED)
        if reason is not None:
            stretches.append((stretches[-1] if stretches else 0) + (reason != last))
            lost.append((item.at, reason))
        last = reason
    return tuple(_summed_up(lost, stretches, _cut(stretches, rows)))


def _cut(stretches: Sequence[int], rows: int) -> int:
    """How many of the oldest to sum up, so that `rows` suffice if possible."""
    total = len(stretches)
    if total <= rows:
        return 0
    return next((cut for cut in range(1, total) if stretches[cut - 1] + total - cut <= rows), total)


def _summed_up(lost: Sequence[tuple[datetime, str]], stretches: Sequence[int], cut: int) -> Iterator[Skipped]:
    begin = 0
    for end in range(1, len(lost) + 1):
        if end < cut and stretches[end] == stretches[begin]:
            continue
        yield Skipped(lost[begin][0], lost[end - 1][0], end - begin, lost[begin][1])
        begin = end


def _by_number(rule: Rule, span: _Span) -> Plan:
    """The same as `_one_by_one`, at a cost that does not grow with the number of occurrences."""
    grid, policy = Grid(rule), span.policy
    end_at = LATEST if rule.ends_at is None else rule.ends_at
    begin = grid.first_from(span.first)
    end = max(begin, grid.first_after(min(span.until, end_at)))
    following = grid.at(end)
    next_at = None if following is None or following > end_at else following
    start = min(end, max(begin, _first_fired(grid, end, span)))
    fires = list(grid.distinct(range(start, end)))
    if len(fires) > policy.cap:
        fires = fires[len(fires) - policy.cap :]
        start = grid.first_from(fires[0].at) if fires else end
    skipped = _numbered_ledger(grid, begin, start, policy.ledger_rows)
    if span.remaining is not None and len(fires) >= span.remaining:
        fires, next_at = fires[: span.remaining], None
    return Plan(tuple(fires), skipped, next_at)


def _first_fired(grid: Grid, end: int, span: _Span) -> int:
    """The number of the first occurrence before `end` that is fired but for the cap; `end` or more when none is."""
    policy = span.policy
    start = grid.first_from(_back(span.now, policy.late_after_seconds))
    if policy.catch_up is not CatchUp.SKIP:
        in_window = grid.first_from(_back(span.now, policy.window_seconds))
        if policy.catch_up is CatchUp.LATEST:
            in_window = max(in_window, grid.leader(end - 1))
        start = min(start, in_window)
    # A few more than the cap, as some may fall together.
    return start if end - start <= policy.cap + 3 else grid.leader(end - policy.cap - 3)


def _back(now: datetime, seconds: float) -> datetime:
    try:
        return now - timedelta(seconds=seconds)
    except OverflowError:
        return EARLIEST


def _numbered_ledger(grid: Grid, begin: int, end: int, rows: int) -> tuple[Skipped, ...]:
    singles_from, runs = begin, []
    if end - begin > rows:
        singles_from = grid.leader(end - rows + 1) if rows > 1 else end
        runs = _run(grid, begin, singles_from)
    singles = grid.distinct(range(singles_from, end))
    return (*runs, *(Skipped(item.at, item.at, 1) for item in singles))


def _run(grid: Grid, begin: int, end: int) -> list[Skipped]:
    first, last = grid.at(begin), grid.at(end - 1)
    if first is None or last is None:
        return []
    return [Skipped(first, last, end - begin if last > first else 1)]
