"""The live service keeps to its own document."""

import re

import pytest

from tests.acceptance.conformance import report
from tests.acceptance.conformance.conftest import Run

pytestmark = pytest.mark.timeout(3600)


def test_the_service_keeps_to_its_document(run: Run) -> None:
    for talk in run.talks:
        assert talk.code == 0, f"{talk.command}\n{talk.output}"


def test_every_operation_was_tried_as_far_as_a_good_answer(run: Run) -> None:
    document = run.service.request("GET", "/swagger.json")
    told = {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    # Whether one still runs when it is cancelled, the next tick decides.
    by_chance = {"POST /task-schedules/{schedule_id}/backfills/{backfill_id}/cancel/"}
    answered = {operation for talk in run.talks for operation in report.answered_well(talk.report)}
    assert told - answered <= by_chance


def test_nothing_went_wrong_behind_the_answers(run: Run) -> None:
    found = [
        f"{log.name}: {line}"
        for log in run.service.folder.glob("*.log")
        for line in log.read_text().splitlines()
        if re.search(r"^Traceback|\bERROR\b|\bCRITICAL\b", line)
    ]
    assert found == []
