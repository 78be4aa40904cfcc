"""What docs/schedules.md says of occurrences is what the code gives."""

import ast
import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest

from scheduler_service.config import PROJECT_DIR
from schedules_app.models import TaskSchedule
from schedules_app.records import Overlap, Reason
from schedules_app.recurrence import CatchUp, Fold, Gap, Roll, Rule, Skip, upcoming
from schedules_app.recurrence.planning import MISSED
from tests.unit.test_documentation import table

PAGE = PROJECT_DIR / "docs" / "schedules.md"


def _rule(zone: str, text: str, option: str) -> Rule:
    kind, quoted, rest = re.fullmatch(r"(\S+) (?:`([^`]+)`)?(.*)", text).groups()
    start = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone))
    columns = {}
    if kind == "cron":
        columns["cron"] = quoted
    else:
        start = datetime.combine(start, time.fromisoformat(rest[-5:]), start.tzinfo)
        columns |= {"rrule": f"RRULE:{quoted}"} if kind == "rrule" else {"days": 1}
    name, _, value = option.partition(" ")
    columns |= {"gap": Gap(value)} if name == "gap" else {"fold": Fold(value)} if name == "fold" else {}
    return Rule(starts_at=start, timezone=zone, **columns)


def _fired_on(rule: Rule, day: date) -> list[str]:
    """Its times by UTC, on the local day."""
    zone = ZoneInfo(rule.timezone)
    midnight = datetime.combine(day, time(), zone).astimezone(UTC)
    items = takewhile(lambda item: item.at < midnight + timedelta(hours=30), upcoming(rule, midnight))
    of_day = [item for item in items if item.at.astimezone(zone).date() == day]
    return [f"{item.at:%H:%M}" for item in of_day if item.skip is None]


@pytest.mark.parametrize("row", table(PAGE, "zone", "rule", "option", "day", "occurs at (UTC)"), ids=str)
def test_the_table_of_clock_changes_is_true(row: list[str]) -> None:
    zone, text, option, day, times = row
    found = _fired_on(_rule(zone.strip("`"), text, option), date.fromisoformat(day))
    first = 5 if "0 * * * *" in text else len(found)
    assert found[:first] == ([] if times == "none" else times.split(", "))


@pytest.mark.parametrize("words", [CatchUp, Overlap, Gap, Fold, Roll], ids=lambda words: words.__name__)
def test_every_word_of_a_policy_is_explained(words: type) -> None:
    cells = {
        cell.split(" ")[0].strip("`") for line in PAGE.read_text().splitlines() for cell in line.split(" | ")
    }
    cells |= {cell.removeprefix("| ").split(" ")[0].strip("`") for cell in PAGE.read_text().splitlines()}
    assert {word.value for word in words} - cells == set()


def test_every_reason_is_explained_and_no_other() -> None:
    rows = table(PAGE, "reason", "why an occurrence was SKIPPED")
    assert sorted(row[0].strip("`") for row in rows) == sorted(Reason)


def test_what_a_rule_skips_by_itself_has_a_reason() -> None:
    assert {*Skip, MISSED} <= {*Reason}


def test_the_store_spells_no_reason_itself() -> None:
    """Else a word that no filter knows could get into the ledger."""
    modules = [
        *(PROJECT_DIR / "schedules_app" / "store").glob("*.py"),
        PROJECT_DIR / "schedules_app/firing.py",
    ]
    strangers = {
        (path.name, node.lineno)
        for path in modules
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in set(Reason) - {"overlap", "excluded"}
    }
    assert strangers == set()
    assert len(modules) > 10


def test_every_column_that_a_request_can_set_is_explained() -> None:
    from schedules_app.store import EDITABLE

    named = set(re.findall(r"^\| `(\w+)`", PAGE.read_text(), re.MULTILINE))
    assert EDITABLE - named == set()
    assert {name for name in named if name in {f.name for f in TaskSchedule._meta.get_fields()}} >= EDITABLE
