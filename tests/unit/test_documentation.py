"""What README and docs/ say is what the code does."""

import itertools
import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver

from scheduler_service import urls
from scheduler_service.config import PROJECT_DIR
from scheduler_service.management.commands.er_diagram import document
from schedules_app.models import VERDICTS
from tasks_app import failures, losses, store
from tasks_app.lifecycle import TERMINAL, TRANSITIONS, Curve, Outcome, initial_status
from tasks_app.operations import (
    Cancelled,
    DoNotRetry,
    InvalidExpression,
    Retry,
    RetryAt,
    TimeLimitExceeded,
    UnknownOperation,
    operation,
    registry,
)
from tests.support import a_context
from tests.unit.test_env_dist import expected_lines

README = PROJECT_DIR / "README.md"
LIFECYCLE = PROJECT_DIR / "docs" / "lifecycle.md"
OPERATIONS = PROJECT_DIR / "docs" / "operations.md"
API = PROJECT_DIR / "docs" / "api.md"
SETTINGS = PROJECT_DIR / "docs" / "settings.md"
SCHEDULES = PROJECT_DIR / "docs" / "schedules.md"
PAGES = [README, PROJECT_DIR / "CHANGELOG.md", *sorted((PROJECT_DIR / "docs").glob("*.md"))]

Arrow = tuple[str, str, str]


def table(page: Path, *header: str) -> list[list[str]]:
    """The cells of the one table under this header."""
    [rows] = tables(page, *header)
    return rows


def tables(page: Path, *header: str) -> list[list[list[str]]]:
    """The cells of each table under this header."""
    wanted = f"| {' | '.join(header)} |"
    found: list[list[list[str]]] = []
    _, *after = page.read_text().split(f"\n{wanted}\n")
    for text in after:
        _, *lines = text.splitlines()
        rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
        found.append([[cell.strip() for cell in line.strip("|").split(" | ")] for line in rows])
    assert found, f"{page.name} has no table {wanted}"
    return found


def code(cell: str) -> str:
    return cell.strip("`")


def arrows() -> list[Arrow]:
    return re.findall(r"^    (\S+) --> (\S+) : (.+)$", LIFECYCLE.read_text(), re.MULTILINE)


def test_the_state_diagram_has_exactly_the_transitions_of_the_code() -> None:
    drawn = {(source, target) for source, target, _ in arrows() if "[*]" not in (source, target)}
    assert drawn == {
        (source.value, target.value) for source, targets in TRANSITIONS.items() for target in targets
    }


def test_the_state_diagram_begins_and_ends_as_the_code_does() -> None:
    begins = {target for source, target, _ in arrows() if source == "[*]"}
    assert begins == {initial_status(is_due=due).value for due in (True, False)}
    assert {source for source, target, _ in arrows() if target == "[*]"} == {s.value for s in TERMINAL}


def test_every_arrow_is_drawn_and_labelled_with_verbs_of_the_store() -> None:
    verbs = {verb for _, _, label in arrows() for verb in label.split(", ")}
    assert LIFECYCLE.read_text().count("-->") == len(arrows())
    assert [verb for verb in sorted(verbs) if not callable(getattr(store, verb, None))] == []


def test_the_table_of_verbs_has_every_verb_of_the_diagram_and_no_stranger() -> None:
    told = [row[0] for row in table(LIFECYCLE, "verb", "who", "when", "what it does")]
    assert {verb for _, _, label in arrows() for verb in label.split(", ")} <= set(told)
    assert [verb for verb in told if not callable(getattr(store, verb, None))] == []


def test_outcomes_verdicts_and_backoff_curves_are_those_of_the_code() -> None:
    assert {code(row[0]) for row in table(LIFECYCLE, "outcome", "meaning")} == {o.value for o in Outcome}
    assert {code(row[0]) for row in table(LIFECYCLE, "verdict", "meaning")} == set(VERDICTS)
    assert {code(row[0]) for row in table(LIFECYCLE, "`retry_backoff`", "seconds")} == {
        c.value for c in Curve
    }


def subclasses(parent: type[Any]) -> Iterator[type[Any]]:
    for child in parent.__subclasses__():
        if child.__module__.startswith("tasks_app."):
            yield child
            yield from subclasses(child)


def codes_of_the_code() -> set[str]:
    raised = [
        UnknownOperation("…"),
        InvalidExpression("…"),
        TimeLimitExceeded(),
        Cancelled(),
        ValueError(),
        failures.WorkerStopped(),
    ]
    codes = {failures.describe(error)["code"] for error in raised}
    declared = (DoNotRetry, Retry, RetryAt)
    codes |= {kind.code for parent in declared for kind in (parent, *subclasses(parent))}
    # What the store writes itself, without an exception.
    written = "".join(Path(module.__file__).read_text() for module in (store, losses))
    return codes | set(re.findall(r'"code": "(\w+)"', written))


def test_every_error_code_of_an_attempt_is_explained() -> None:
    rows = table(LIFECYCLE, "code", "outcome", "retried", "meaning")
    assert {code(row[0]) for row in rows} == codes_of_the_code()
    assert {row[1] for row in rows} <= {o.value for o in Outcome} | {"none"}


def test_the_tables_of_settings_are_the_configuration() -> None:
    rows = list(itertools.chain(*tables(SETTINGS, "variable", "default", "meaning")))
    told = {
        code(name): (meaning, "" if default == "empty" else code(default)) for name, default, meaning in rows
    }
    assert told == expected_lines()
    assert len(rows) == len(told)


def endpoints(patterns: list[Any], prefix: str = "/") -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        address = prefix + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from endpoints(pattern.url_patterns, address)
        elif isinstance(pattern, URLPattern):
            view = pattern.callback.view_class
            yield from (
                (m.upper(), address) for m in ("get", "post", "put", "patch", "delete") if hasattr(view, m)
            )


def test_the_tables_of_addresses_are_the_address_space() -> None:
    rows = itertools.chain(*tables(API, "method", "address", "what it does", "answers"))
    told = [(code(row[0]), code(row[1])) for row in rows]
    assert sorted(told) == sorted(endpoints([*urls.documented, *urls.undocumented]))


def test_the_settings_of_an_operation_are_those_that_the_decorator_takes() -> None:
    told = [code(row[0]) for row in table(OPERATIONS, "setting of `@operation`", "default", "meaning")]
    taken = set(operation.__kwdefaults__ or {})
    assert set(told) == taken


def test_the_arguments_of_a_request_are_those_that_are_told() -> None:
    told = {code(row[0]) for row in table(OPERATIONS, "argument", "default", "meaning")}
    assert told == set(registry.resolve("http.request").arguments_schema()["properties"])


def test_the_tables_are_drawn_as_the_models_are() -> None:
    fresh = "run `manage.py er_diagram > docs/er-diagram.md`"
    assert (PROJECT_DIR / "docs" / "er-diagram.md").read_text() == document(), fresh


def block(page: Path, heading: str, language: str) -> str:
    _, _, section = page.read_text().partition(f"\n## {heading}\n")
    found = re.search(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found, f"{page.name} has no {language} block under {heading}"
    return found[1]


def test_the_example_operation_of_the_readme_runs_with_the_arguments_of_the_readme() -> None:
    request = json.loads(block(README, "Adding an operation", "json"))
    exec(
        compile(block(README, "Adding an operation", "python"), "README.md", "exec"),
        {"__name__": "reports_app.operations"},
    )
    try:
        found = registry.resolve(request["operation"])
        arguments = found.validate(found.name, request["arguments"])
        assert found.run(found.name, arguments, a_context()) == {"customer": 7, "lines": 100}
    finally:
        registry.remove(request["operation"])


def slug(heading: str) -> str:
    """The anchor that a heading gets where Markdown is shown."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links(page: Path) -> list[str]:
    return re.findall(r"\]\((?!https?://)([^)]+)\)", page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        if not target.exists() or (anchor and anchor not in headings(target)):
            broken.append(link)
    assert broken == []


def headings(page: Path) -> set[str]:
    return {slug(text) for text in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)}


@pytest.mark.parametrize(
    "page", [API, LIFECYCLE, OPERATIONS, SCHEDULES, SETTINGS], ids=lambda page: page.name
)
def test_a_long_page_begins_with_its_contents(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    _, title, *sections = re.split(r"^##? (.+)$", text, flags=re.MULTILINE)
    beginning, named = sections[0], sections[1::2]
    assert re.findall(r"\]\(#([^)]+)\)", beginning) == [slug(heading) for heading in named], title


def test_every_page_is_in_the_readmes_list_of_pages() -> None:
    told = {row[0].split("](")[1].rstrip(")") for row in table(README, "page", "what it has")}
    pages = {f"docs/{page.name}" for page in (PROJECT_DIR / "docs").glob("*.md")}
    assert told == {*pages, "bench/README.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_variables_that_are_named_exist(page: Path) -> None:
    compose = set(re.findall(r"^#?([A-Z_]+)=", (PROJECT_DIR / ".env.dist").read_text(), re.MULTILINE))
    foreign = {
        "COMPOSE_PROFILES",
        "DJANGO_SETTINGS_MODULE",
        "INSTALLED_APPS",
        "OTEL_SERVICE_NAME",
        "SSL_CERT_FILE",
    }
    foreign |= {"SCHEDULER_KEY", "SCHEDULER_URL"}  # of the README's clients
    foreign |= {
        "TEST_API_EXAMPLES",
        "TEST_API_SEED",
        "TEST_POSTGRES_URL",
        "TEST_REDIS_URL",
        "TEST_RABBITMQ_URL",
    }
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)(?:=[^`]*)?`", page.read_text()))
    assert named - compose - foreign == set()


def test_every_module_that_the_pages_name_exists() -> None:
    named = {
        path
        for page in PAGES
        for path in re.findall(r"`((?:tasks_app|scheduler_service)/[\w/]+\.py)`", page.read_text())
    }
    assert named
    for path in named:
        import_module(path.removesuffix(".py").replace("/", "."))
