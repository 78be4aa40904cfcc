"""The documents' curl lines do what they promise. One that calls another host than this stands for a deployment."""

import re
import shlex
from urllib.parse import urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client

from scheduler_service.config import PROJECT_DIR

pytestmark = pytest.mark.django_db(transaction=True)


PAGES = [PROJECT_DIR / "README.md", *sorted((PROJECT_DIR / "docs").glob("*.md"))]


def curl_lines() -> list[str]:
    text = "\n".join(page.read_text() for page in PAGES)
    return re.findall(r"^ *(curl .*localhost:.+)$", text, re.MULTILINE)


def replay(line: str) -> HttpResponse:
    """Send what a line would send."""
    words = shlex.split(line)
    url = urlsplit(f"//{next(word for word in words if word.startswith('localhost:'))}")
    address = f"{url.path}?{url.query}" if url.query else url.path
    if "--json" not in words:
        return Client().get(address)
    body = words[words.index("--json") + 1]
    if body.startswith("@"):
        body = (PROJECT_DIR / body[1:]).read_text()
    return Client().post(address, body, content_type="application/json")


def test_the_quick_start_sends_a_task_a_batch_and_a_schedule_and_reads_results() -> None:
    _, _, section = PAGES[0].read_text().partition("\n## Quick start\n")
    [block] = re.findall(r"^```bash\n((?:curl .*\n)+)```\n\n\(`--json`", section, re.MULTILINE)
    addresses = re.findall(r"localhost:8000(/[a-z-]+/[a-z-]*)", block)
    assert addresses == ["/tasks/", "/tasks/batch-request", "/task-schedules/", "/tasks/", "/operations/"]


def test_every_curl_line_is_answered_with_success() -> None:
    answers = {line: replay(line).status_code for line in curl_lines()}
    assert {line: status for line, status in answers.items() if not 200 <= status < 300} == {}


def test_the_batch_of_the_readme_is_accepted_whole() -> None:
    [line] = [line for line in curl_lines() if "batch-request" in line]
    answer = replay(line).json()
    assert (len(answer["tasks"]), answer["errors"]) == (54, [])
