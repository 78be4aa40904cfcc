"""What a run of Schemathesis did, read from its report of events."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def _interactions(event: dict[str, Any]) -> Iterator[tuple[str, int]]:
    recorder = event.get("ScenarioFinished", {}).get("recorder") or {}
    for case_id, interaction in recorder.get("interactions", {}).items():
        if response := interaction.get("response"):
            case = recorder["cases"][case_id]["value"]
            yield f"{case['method']} {case['path']}", response["status_code"]


def answered_well(report: Path) -> set[str]:
    """The operations of which at least one request was answered with 2xx."""
    with report.open() as lines:
        answers = (answer for line in lines for answer in _interactions(json.loads(line)))
        return {operation for operation, status in answers if 200 <= status < 300}
