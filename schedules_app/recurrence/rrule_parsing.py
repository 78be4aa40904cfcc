"""Reads the content lines of a recurrence: RRULE, EXRULE, RDATE, EXDATE and DTSTART (RFC 5545, 3.1, 3.3.10, 3.8.5).

Stricter than python-dateutil's reader, which ignores or misreads what it does not know.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import lru_cache
from math import prod
from typing import TypeVar
from zoneinfo import ZoneInfo

from schedules_app.recurrence.base import EARLIEST, LATEST, InvalidRecurrence, known_zones
from schedules_app.recurrence.rrule_days import FREQUENCIES, MONTHLY, YEARLY, Numbers, Recur
from schedules_app.recurrence.rrule_walls import walk

LONGEST = 4_000
MOST_RULES = 10
MOST_COUNT = 100_000
MOST_INTERVAL = 2**31 - 1
MOST_TIMES = 10_000
"""Most times of day that BYHOUR, BYMINUTE and BYSECOND may make together."""

ANY_START = datetime(2000, 1, 1)  # noqa: DTZ001
"""Stands for an unknown DTSTART: it takes nothing away that another DTSTART would give."""

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_LISTS = {  # part: lowest, highest, whether negative numbers count from the end
    "BYMONTH": (1, 12, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
    "BYSECOND": (0, 59, False),
    "BYSETPOS": (1, 366, True),
}
_PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_LISTS)
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,10}", re.ASCII)
_WEEKDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)

T = TypeVar("T", int, tuple[int, int])
Stamp = date | datetime
"""A day (`date`), a wall-clock time (naive), or an instant (aware)."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """What a recurrence's text says.

    `dtstart` is aware if the text gives it in UTC or with a TZID, naive if it is local, None if the text has none;
    `timezone` is the TZID of DTSTART.
    """

    text: str
    rules: tuple[Recur, ...]
    exrules: tuple[Recur, ...] = ()
    rdates: tuple[Stamp, ...] = ()
    exdates: tuple[Stamp, ...] = ()
    dtstart: datetime | None = None
    timezone: str | None = None


def wrong(message: str) -> InvalidRecurrence:
    return InvalidRecurrence("rrule", message)


def parse(text: str) -> RuleSet:
    """The recurrence that a text describes, cached. Raises InvalidRecurrence("rrule", …), nothing else.

    A lone line may leave `RRULE:` out. Refused is also a rule that never occurs, as far as the text tells: without
    DTSTART, INTERVAL, COUNT and UNTIL are not tried.
    """
    if not isinstance(text, str):
        raise wrong("use a text, like FREQ=WEEKLY;BYDAY=MO,FR")
    if len(text) > LONGEST:
        raise wrong(f"is too long; use at most {LONGEST} characters")
    return _parse(text)


@lru_cache(maxsize=1024)
def _parse(text: str) -> RuleSet:
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in ("DTSTART", *_READERS)}
    for name, parameters, value in _lines(text):
        found[name].append((parameters, value))
    if len(found["DTSTART"]) > 1:
        raise wrong("has more than one DTSTART; keep one")
    rules, exrules = (_rules(name, found[name]) for name in ("RRULE", "EXRULE"))
    rdates, exdates = (_stamps(name, found[name]) for name in ("RDATE", "EXDATE"))
    if not rules and not rdates:
        raise wrong("has no occurrence; give a line like RRULE:FREQ=DAILY, or an RDATE")
    if len(rules) + len(exrules) > MOST_RULES:
        raise wrong(f"has too many rules; use at most {MOST_RULES} RRULE and EXRULE lines")
    dtstart, zone = _start(*found["DTSTART"][0]) if found["DTSTART"] else (None, None)
    for rule in rules:
        _check_occurs(rule, dtstart)
    return RuleSet(text, rules, exrules, rdates, exdates, dtstart, zone)


def _lines(text: str) -> list[tuple[str, str, str]]:
    """Name, parameters and value of each line, unfolded (RFC 5545, 3.1)."""
    unfolded = re.sub(r"\n[ \t]", "", re.sub(r"\r\n?", "\n", text))
    lines = [line.strip() for line in unfolded.split("\n") if line.strip()]
    if len(lines) == 1 and ":" not in lines[0]:
        return [("RRULE", "", lines[0])]
    return [_line(line) for line in lines]


def _line(line: str) -> tuple[str, str, str]:
    head, colon, value = line.partition(":")
    name, _, parameters = head.partition(";")
    name = name.strip().upper()
    if not colon or name not in ("DTSTART", *_READERS):
        raise wrong(f"line {line[:40]!r}: begin it with RRULE:, EXRULE:, RDATE:, EXDATE: or DTSTART:")
    return name, parameters, value.strip()


_READERS = ("RRULE", "EXRULE", "RDATE", "EXDATE")


def _rules(name: str, lines: Iterable[tuple[str, str]]) -> tuple[Recur, ...]:
    return tuple(_rule(name, parameters, value) for parameters, value in lines)


def _rule(name: str, parameters: str, value: str) -> Recur:
    if parameters:
        raise wrong(f"{name} takes no parameters; drop {parameters[:40]!r}")
    parts: dict[str, str] = {}
    for pair in value.upper().split(";"):
        key, _, content = (piece.strip() for piece in pair.partition("="))
        if key not in _PARTS:
            raise wrong(f"{name}: unknown part {pair[:40]!r}; use {', '.join(_PARTS)}, each like INTERVAL=2")
        if key in parts:
            raise wrong(f"{name}: {key} comes twice; give it once, with commas between its values")
        parts[key] = content
    rule = _recur(parts)
    _check_together(rule, parts)
    return rule


def _recur(parts: dict[str, str]) -> Recur:
    if "FREQ" not in parts:
        raise wrong(f"has no FREQ; give FREQ= one of {', '.join(FREQUENCIES)}")
    return Recur(
        freq=_choice("FREQ", parts["FREQ"], FREQUENCIES),
        interval=_number("INTERVAL", parts.get("INTERVAL", "1"), 1, MOST_INTERVAL),
        wkst=_choice("WKST", parts.get("WKST", "MO"), WEEKDAYS),
        count=_number("COUNT", parts["COUNT"], 1, MOST_COUNT) if "COUNT" in parts else None,
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else None,
        byday=_values(parts["BYDAY"], _weekday) if "BYDAY" in parts else (),
        **{part.lower(): _numbers(part, parts[part]) for part in _LISTS if part in parts},
    )


def _check_together(rule: Recur, parts: dict[str, str]) -> None:
    """What RFC 5545, 3.3.10 rules out, and what would take endless time."""
    if rule.count is not None and rule.until is not None:
        raise wrong("has COUNT and UNTIL in one rule; keep one of them")
    ordinals = [abs(nth) for _, nth in rule.byday if nth]
    if ordinals and (rule.freq not in (YEARLY, MONTHLY) or rule.byweekno):
        raise wrong(
            f"BYDAY={parts['BYDAY'][:40]}: numbers before weekdays need FREQ=MONTHLY, or FREQ=YEARLY without BYWEEKNO"
        )
    if ordinals and max(ordinals) > 5 and (rule.freq == MONTHLY or rule.bymonth):
        raise wrong(f"BYDAY={parts['BYDAY'][:40]}: within a month use numbers from -5 to 5")
    if prod(max(1, len(values)) for values in (rule.byhour, rule.byminute, rule.bysecond)) > MOST_TIMES:
        raise wrong(
            f"BYHOUR, BYMINUTE and BYSECOND make more than {MOST_TIMES} times a day; use FREQ=SECONDLY with INTERVAL"
        )


def _choice(part: str, text: str, choices: tuple[str, ...]) -> int:
    if text not in choices:
        raise wrong(f"{part}={text[:40]}: use one of {', '.join(choices)}")
    return choices.index(text)


def _number(part: str, text: str, lowest: int, highest: int) -> int:
    if not _INTEGER.fullmatch(text) or not lowest <= int(text) <= highest:
        raise wrong(f"{part}={text[:40]}: use a whole number from {lowest} to {highest}")
    return int(text)


def _numbers(part: str, text: str) -> Numbers:
    lowest, highest, is_signed = _LISTS[part]

    def read(value: str) -> int:
        number = _number(part, value, -highest if is_signed else lowest, highest)
        if is_signed and number == 0:
            raise wrong(f"{part}=0: count from 1, or from -1 backwards")
        return number

    return _values(text, read)


def _values(text: str, read: Callable[[str], T]) -> tuple[T, ...]:
    return tuple(sorted({read(value.strip()) for value in text.split(",")}))


def _weekday(value: str) -> tuple[int, int]:
    match = _WEEKDAY.fullmatch(value)
    nth = int(match[1] or 0) if match else 0
    if match is None or abs(nth) > 53 or (match[1] and nth == 0):
        raise wrong(f"BYDAY={value[:40]}: use weekdays like MO or, counted in the month or year, 1MO or -1FR")
    return WEEKDAYS.index(match[2]), nth


def _until(text: str) -> datetime:
    """A bare day stands for the whole of it."""
    until = _stamp("UNTIL", text)
    if not isinstance(until, datetime):
        return datetime(until.year, until.month, until.day, 23, 59, 59)  # noqa: DTZ001
    return until


def _stamp(name: str, text: str) -> Stamp:
    match = _STAMP.fullmatch(text.upper())
    try:
        if match is not None:
            day = date(*(int(match[field]) for field in (1, 2, 3)))
            if match[4] is None:
                return day
            hour, minute, second = (int(match[field]) for field in (4, 5, 6))
            return datetime.combine(day, time(hour, minute, second, tzinfo=UTC if match[7] else None))
    except ValueError:
        pass
    raise wrong(f"{name}: {text[:40]!r} is no time; use 20261231T090000Z (UTC), 20261231T090000 or 20261231")


def _stamps(name: str, lines: Iterable[tuple[str, str]]) -> tuple[Stamp, ...]:
    found = []
    for parameters, value in lines:
        zone, is_day = _parameters(name, parameters)
        found += [_placed(name, _stamp(name, text.strip()), zone, is_day) for text in value.split(",")]
    return tuple(dict.fromkeys(found))


def _start(parameters: str, value: str) -> tuple[datetime, str | None]:
    zone, is_day = _parameters("DTSTART", parameters)
    start = _placed("DTSTART", _stamp("DTSTART", value), zone, is_day)
    if not isinstance(start, datetime):
        start = datetime(start.year, start.month, start.day)  # noqa: DTZ001
    return start, zone


def _parameters(name: str, text: str) -> tuple[str | None, bool | None]:
    """The zone of TZID, and whether VALUE says that days follow; None where nothing is said."""
    zone: str | None = None
    is_day: bool | None = None
    for parameter in text.split(";") if text else ():
        key, _, value = (piece.strip().strip('"') for piece in parameter.partition("="))
        if key.upper() == "TZID" and zone is None:
            if value not in known_zones():
                raise wrong(f"{name}: {value[:40]!r} is no IANA zone; use one like TZID=Europe/Berlin")
            zone = value
        elif key.upper() == "VALUE" and is_day is None and value.upper() in ("DATE", "DATE-TIME"):
            is_day = value.upper() == "DATE"
        else:
            raise wrong(f"{name}: {parameter[:40]!r}: use TZID=…, VALUE=DATE or VALUE=DATE-TIME, each once")
    return zone, is_day


def _placed(name: str, stamp: Stamp, zone: str | None, is_day: bool | None) -> Stamp:
    if not EARLIEST.year < stamp.year < LATEST.year:
        raise wrong(f"{name}: use years from {EARLIEST.year + 1} to {LATEST.year - 1}")
    has_time = isinstance(stamp, datetime)
    if is_day is not None and is_day is has_time:
        raise wrong(f"{name}: VALUE=DATE goes with days like 20261231, VALUE=DATE-TIME with times")
    if zone is None:
        return stamp
    if not isinstance(stamp, datetime) or stamp.tzinfo is not None:
        raise wrong(f"{name}: TZID goes with local times like 20261231T090000; drop it, or the Z")
    return stamp.replace(tzinfo=ZoneInfo(zone))


def _check_occurs(rule: Recur, dtstart: datetime | None) -> None:
    if dtstart is None:
        tried = replace(rule, interval=1, count=None, until=None)
    else:
        tried = replace(rule, count=None, until=_wall_until(rule.until, dtstart))
    start = dtstart.replace(tzinfo=None) if dtstart else ANY_START
    if next(walk(tried, start).since(start), None) is None:
        raise wrong(
            "a rule never occurs within 100 years of its start; check its BY… parts, INTERVAL and UNTIL"
        )


def _wall_until(until: datetime | None, dtstart: datetime) -> datetime | None:
    if until is None or until.tzinfo is None or dtstart.tzinfo is None:
        return until.replace(tzinfo=None) if until else None
    return clipped(until).astimezone(dtstart.tzinfo).replace(tzinfo=None)


def clipped(until: datetime) -> datetime:
    """An instant that every zone can show, in place of one at the calendar's ends."""
    return max(EARLIEST, min(until, LATEST))
