"""The README's curl lines do what they promise. One that calls another host than this stands for a deployment."""

import re
import shlex
from urllib.parse import urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client

from scheduler_service.config import PROJECT_DIR

pytestmark = pytest.mark.django_db(transaction=True)


def curl_lines() -> list[str]:
    return re.findall(r"^curl .*localhost:.+$", (PROJECT_DIR / "README.md").read_text(), re.MULTILINE)


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


def test_the_api_is_shown_in_five_lines() -> None:
    _, _, section = (PROJECT_DIR / "README.md").read_text().partition("## The API in five lines")
    assert len(re.findall(r"^curl ", section.partition("\n```\n")[0], re.MULTILINE)) == 5


def test_every_curl_line_is_answered_with_success() -> None:
    answers = {line: replay(line).status_code for line in curl_lines()}
    assert {line: status for line, status in answers.items() if not 200 <= status < 300} == {}


def test_the_batch_of_the_readme_is_accepted_whole() -> None:
    [line] = [line for line in curl_lines() if "batch-request" in line]
    answer = replay(line).json()
    assert (len(answer["tasks"]), answer["errors"]) == (54, [])
