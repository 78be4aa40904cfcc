"""The quick check of new tasks against the serializer that has the rules."""

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import ErrorDetail, ValidationError

from scheduler_service.json import MAX_INTEGER, MIN_INTEGER
from tasks_app import quick
from tasks_app.serializers import TaskSerializer

TEXTS = st.one_of(
    st.text(string.ascii_letters + "0149 .-_+\t\n\u00a0\u2028é🙂", max_size=12),
    st.sampled_from(
        [
            "",
            " ",
            " a",
            "a ",
            "a" * 64,
            "a" * 65,
            "a" * 200,
            "a" * 201,
            " " * 300 + "a",
            "a\0",
            "1\x1f",
        ]
    ),
)
NUMBERS = st.one_of(
    st.integers(-1, 101),
    st.sampled_from([MIN_INTEGER, MAX_INTEGER, 0.001, 0.0009, 3600, 86_400.0, 31_536_000, 31_536_001, -0.0]),
    st.floats(allow_nan=False, allow_infinity=False),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
TIMES = st.sampled_from(
    [
        "2020-01-01T00:00:00Z",
        "2990-01-01T00:00:00+02:00",
        "2990-06-01t00:00z",
        "2990-06-01",
        "1969-01-01T00:00:00Z",
    ]
)
TAGS = st.lists(TEXTS, max_size=4) | st.lists(st.integers(0, 30).map(str), max_size=22)
OPERATIONS = st.sampled_from(["4+7", " 4+7 ", "arithmetic", "arithmetics", "debug.echo", "debug.fail", "4+"])
ARGUMENTS = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"expression": st.sampled_from(["1+1", "1+", 7])}),
    st.dictionaries(TEXTS, JSON, max_size=2),
    st.just({"text": "é" * 140_000}),
)
URLS = st.sampled_from(
    [
        "https://a.example.com/",
        "http://b.example.com?c",
        "https://127.0.0.1/",
        "https://a@b.example.com/",
        " ",
        "ftp://a/",
    ]
)
USUAL = {
    "operation": OPERATIONS,
    "arguments": ARGUMENTS,
    "priority": st.integers(-1, 10) | st.sampled_from([True, False, 5.0]),
    "queue": st.sampled_from(["tasks", "scheduler", "a.b-c_d", "-a", "a\n", "a" * 64, "a" * 65]),
    "tags": TAGS,
    "max_attempts": NUMBERS,
    "timeout_seconds": NUMBERS,
    "retry_backoff": st.sampled_from(["linear", "fixed", "exponential", "Linear", ""]),
    "retry_base_seconds": NUMBERS,
    "retry_cap_seconds": NUMBERS,
    "unique_key": TEXTS,
    "run_at": TIMES,
    "expires_at": TIMES,
    "callback_url": URLS,
}
FIELDS = {name: st.one_of(usual, usual, usual, JSON) for name, usual in USUAL.items()}
OPTIONAL = {name: values for name, values in FIELDS.items() if name != "operation"}
OTHERS = st.dictionaries(st.sampled_from(["task_id", "status", "priorty", "", "é"]), JSON, max_size=1)
# One field at a time, too: an item with many of them is mostly wrong somewhere, and goes the slow way as a whole.
ALONE = st.one_of(
    *(
        st.fixed_dictionaries({"operation": st.just("4+7"), name: values})
        for name, values in OPTIONAL.items()
    ),
    st.fixed_dictionaries({"operation": FIELDS["operation"]}),
    st.fixed_dictionaries({"operation": st.just("arithmetic"), "arguments": FIELDS["arguments"]}),
)
ITEMS = st.one_of(
    ALONE,
    ALONE,
    st.builds(
        lambda others, fields: {**fields, **others},
        st.just({}) | st.just({}) | OTHERS,
        st.fixed_dictionaries({"operation": FIELDS["operation"]}, optional=OPTIONAL),
    ),
    st.fixed_dictionaries({}, optional=FIELDS),
    JSON,
)


def told(detail: Any) -> Any:
    """A ValidationError's detail with the codes, which comparing texts would leave out."""
    if isinstance(detail, ErrorDetail):
        return str(detail), detail.code
    if isinstance(detail, dict):
        return {key: told(inner) for key, inner in detail.items()}
    return [told(inner) for inner in detail]


def outcome(validate: Any, item: Any) -> Any:
    """What a check says; as text, since 1, 1.0 and True are equal."""
    try:
        return repr(sorted(validate(item).items()))
    except ValidationError as error:
        return told(error.detail)


def by_serializer(item: Any) -> dict[str, Any]:
    return TaskSerializer().run_validation(item)


@given(ITEMS)
@settings(max_examples=500, deadline=None)
def test_the_quick_check_agrees_with_the_serializer_on_values_and_errors(item):
    assert outcome(quick.validated, item) == outcome(by_serializer, item)


@given(ITEMS)
@settings(max_examples=200, deadline=None)
def test_the_body_of_a_request_is_refused_as_the_serializer_refuses_it(item):
    def alone(data: Any) -> dict[str, Any]:
        serializer = TaskSerializer(data=data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    assert outcome(quick.validated_alone, item) == outcome(alone, item)


EDGES = [
    *({"queue": value} for value in ("scheduler", " tasks", "a\n", "a" * 65, "", 1)),
    *({"priority": value} for value in (-1, 10, True, 5.0, "5", None)),
    *(
        {"tags": value}
        for value in (["a", " a"], [" "], ["a", 1], ["a" * 65], [str(n) for n in range(21)], ["a\0"])
    ),
    *({"arguments": value} for value in ({"a": 1}, [], None, {"a": "é" * 140_000})),
    *({"timeout_seconds": value} for value in (0.0009, 86_400.1, True, "1", 10**30)),
    *({"unique_key": value} for value in ("", " ", "a" * 201, "a\0", 1)),
    *(
        {"callback_url": value}
        for value in (
            "",
            "https://a.example.com:8080/",
            "http://10.0.0.1/",
            "https://a.example.com/" + "x" * 2048,
            1,
        )
    ),
    *({"expires_at": value} for value in ("2020-01-01T00:00:00Z", "2990-01-01", 5, "")),
    {"run_at": "2990-01-01T00:00:00Z", "expires_at": "2990-01-01T00:00:00Z"},
    {"retry_backoff": "Linear"},
    {"operation": "arithmetic", "arguments": {"expression": "1+"}},
    {"operation": "debug.echo", "arguments": {"a": "é" * 140_000}},
    {"operation": " 4+7 "},
    {"operation": "nope"},
    {"status": "PENDING"},
    {"priorty": 1},
]


@pytest.mark.parametrize("fields", EDGES, ids=lambda fields: repr(fields)[:40])
def test_it_agrees_at_the_edges_of_each_rule(fields):
    item = {"operation": "4+7", **fields}
    assert outcome(quick.validated, item) == outcome(by_serializer, item)


PLAIN = [
    {"operation": "4+7"},
    {"operation": "arithmetic", "arguments": {"expression": "1+1"}, "priority": 0, "tags": ["a", "ü b"]},
    {"operation": "4+7", "queue": None, "run_at": None, "max_attempts": None, "unique_key": None},
    {"operation": "4+7", "callback_url": "https://a.example.com/?b=c%20d"},
    {"operation": "4+7", "callback_url": None},
    {
        "operation": "4+7",
        "queue": "mail",
        "max_attempts": 100,
        "timeout_seconds": 30,
        "retry_backoff": "linear",
        "retry_base_seconds": 0.5,
        "retry_cap_seconds": 60,
        "unique_key": " k",
        "run_at": "2990-01-01T00:00:00Z",
        "expires_at": "2990-01-02T00:00:00.5+02:00",
    },
]


@pytest.mark.parametrize("item", PLAIN)
def test_what_is_plainly_right_never_reaches_the_serializer(item, monkeypatch):
    expected = outcome(by_serializer, item)
    monkeypatch.setattr(TaskSerializer, "run_validation", lambda self, data: pytest.fail("the slow way"))
    assert outcome(quick.validated, item) == expected


def test_no_two_tasks_share_a_default():
    first, second = quick.validated({"operation": "4+7"}), quick.validated({"operation": "4+7"})
    first["tags"].append("mine")
    first["arguments"]["mine"] = 1
    assert (second["tags"], second["arguments"]) == ([], {})
