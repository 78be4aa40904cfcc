"""What the pages tell to type is there to be typed."""

import re
import shlex

import yaml
from django.core.management import get_commands

from launcher import cli
from scheduler_service.config import PROJECT_DIR
from tests.unit.test_documentation import PAGES

OWN_PARSERS = (["test"], ["chaos"], ["bench"])
"""Words after which the launcher hands the arguments to another program."""


def commands() -> list[str]:
    """The lines of the pages' shell blocks."""
    blocks = [
        text
        for page in PAGES
        for text in re.findall(r"^```bash\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    ]
    return [line for block in blocks for line in block.splitlines()]


def test_the_launcher_takes_the_options_that_are_told() -> None:
    told = {found[1] for line in commands() if (found := re.search(r"python3 run\.py([^#\n]*)", line))}
    assert len(told) > 4
    for arguments in told:
        words = shlex.split(arguments)
        if words[:1] in OWN_PARSERS:
            continue
        assert words == ["check"] or cli._parse(words)  # leaves with a message where it does not know one


def test_the_commands_of_manage_py_that_are_told_exist() -> None:
    told = {name for page in PAGES for name in re.findall(r"manage\.py (\w+)", page.read_text())}
    assert {"apikey", "poll", "createsuperuser"} <= told <= set(get_commands())


def test_the_services_of_compose_that_are_told_exist() -> None:
    compose = yaml.safe_load((PROJECT_DIR / "docker-compose.yml").read_text())
    profiles = {name for service in compose["services"].values() for name in service.get("profiles", [])}
    told, asked = set(), set()
    for line in (line for line in commands() if "docker compose" in line):
        told |= set(re.findall(r"(?:run --rm|exec)(?: -T)? ([\w-]+)|--scale ([\w-]+)=", line))
        told |= {
            (name, "")
            for stopped in re.findall(r"docker compose stop (.+)", line)
            for name in stopped.split()
        }
        asked |= set(re.findall(r"--profile ([\w-]+)", line))
    assert told
    assert {one or other for one, other in told} <= set(compose["services"])
    assert asked <= profiles
