"""What the service takes as JSON, and what it says of the rest."""

import hashlib
import io
import json
import math
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ErrorDetail, ParseError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from scheduler_service.json import (
    MAX_DEPTH,
    InvalidJSON,
    PayloadTooLarge,
    StrictJSONParser,
    StrictJSONRenderer,
    body_digest,
    check_json,
    dumps,
    dumps_each,
    encoded_size,
    pointer,
)

storable_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
storable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | storable_text,
    lambda inner: st.lists(inner) | st.dictionaries(storable_text, inner),
)


def parse(body: bytes) -> Any:
    return StrictJSONParser().parse(io.BytesIO(body))


def refusal(body: bytes) -> tuple[str | None, str]:
    with pytest.raises(ParseError) as caught:
        parse(body)
    detail = caught.value.detail
    assert isinstance(detail, ErrorDetail)
    return detail.code, str(detail)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


@hypothesis.settings(deadline=None)
@given(storable)
def test_what_can_be_stored_passes_and_comes_back_the_same(value: Any) -> None:
    check_json(value)
    assert parse(dumps(value).encode()) == value


@hypothesis.settings(deadline=None)
@given(storable)
def test_the_size_is_that_of_the_text_in_utf8(value: Any) -> None:
    assert encoded_size(value) == len(dumps(value).encode())


@pytest.mark.parametrize(
    ("value", "code", "path"),
    [
        ({"a": [1, "x\0"]}, "nul_character", ("a", 1)),
        ({"a": {"b\0": 1}}, "nul_character", ("a",)),
        (["\ud800"], "lone_surrogate", (0,)),
        ({"a": {"\udfff": 1}}, "lone_surrogate", ("a",)),
        ([[], {}, 2**63], "integer_out_of_range", (2,)),
        ({"a": {}, "b": -(2**63) - 1}, "integer_out_of_range", ("b",)),
        (math.nan, "not_finite", ()),
        ({"x": [[-math.inf]]}, "not_finite", ("x", 0, 0)),
        ({"x": (1, 2)}, "not_json", ("x",)),
        ([{1: 2}], "not_json", (0,)),
        (b"bytes", "not_json", ()),
        ([object()], "not_json", (0,)),
    ],
)
def test_what_cannot_be_stored_is_refused_where_it_stands(
    value: Any, code: str, path: tuple[Any, ...]
) -> None:
    with pytest.raises(InvalidJSON) as caught:
        check_json(value)
    assert (caught.value.code, caught.value.path) == (code, path)


def test_the_limits_of_integers_are_those_of_64_bits() -> None:
    check_json([2**63 - 1, -(2**63)])


def test_a_value_may_have_so_many_levels_and_no_more() -> None:
    check_json(nested(MAX_DEPTH))
    with pytest.raises(InvalidJSON, match=f"at most {MAX_DEPTH} levels") as caught:
        check_json(nested(MAX_DEPTH + 1))
    assert caught.value.code == "too_deep"


def test_a_value_of_any_depth_is_refused_without_exhausting_the_stack() -> None:
    with pytest.raises(InvalidJSON):
        check_json(nested(100_000))


def test_a_value_that_contains_itself_is_refused() -> None:
    value: dict[str, Any] = {}
    value["self"] = value
    with pytest.raises(InvalidJSON, match="nested too deeply"):
        check_json(value)


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"", "parse_error", "The body is empty; send JSON."),
        (b" \n", "parse_error", "The body is empty; send JSON."),
        (b'{"a":\n}', "parse_error", "line 2, column 1"),
        (b'["\xff"]', "parse_error", "not UTF-8 at byte 2"),
        (b'{"a": {"b": NaN}}', "not_finite", '"/a/b"'),
        (b"[-Infinity]", "not_finite", '"/0"'),
        (b"[1e999]", "not_finite", '"/0"'),
        (b'{"n": ' + b"9" * 40 + b"}", "integer_out_of_range", '"/n"'),
        (b"[" + b"9" * 5000 + b"]", "integer_out_of_range", "beyond 64 bits"),
        (b'[{"a": "\\u0000"}]', "nul_character", '"/0/a"'),
        (b'{"a\\u0000": 1}', "nul_character", '"a\\u0000"'),
        (b'["\\udc00\\ud800"]', "lone_surrogate", '"/0"'),
        (b'{"\\ud83d": 1}', "lone_surrogate", '"\\ud83d"'),
        (b"[" * 20_000 + b"]" * 20_000, "too_deep", "nested too deeply"),
        (b"[" * 67 + b"]" * 67, "too_deep", "nested too deeply"),
        (b'{"a": [{"b": 1, "c": 2, "b": 1}]}', "duplicate_key", 'the key "b" twice'),
    ],
)
def test_a_body_that_cannot_be_taken_is_a_400_that_says_where(body: bytes, code: str, says: str) -> None:
    found, message = refusal(body)
    assert found == code
    assert says in message


@pytest.mark.parametrize(("start", "end"), [(b"", b""), (b"[", b"]")], ids=["task", "batch"])
def test_arguments_may_have_their_levels_in_a_task_and_in_a_batch(start: bytes, end: bytes) -> None:
    def body(levels: int) -> bytes:
        return start + b'{"arguments":' + dumps(nested(levels)).encode() + b"}" + end

    parse(body(MAX_DEPTH))
    assert refusal(body(MAX_DEPTH + 1))[0] == "too_deep"


def test_the_digest_is_that_of_the_bytes_that_were_parsed() -> None:
    body = ' {"operation": "4+7"}'
    request = Request(
        APIRequestFactory().generic("POST", "/", body, "application/json"), parsers=[StrictJSONParser()]
    )
    assert body_digest(request) == hashlib.sha256(body.encode()).hexdigest()
    assert request.data == {"operation": "4+7"}


def test_the_digest_of_no_body_is_that_of_no_bytes() -> None:
    request = Request(APIRequestFactory().generic("POST", "/"), parsers=[StrictJSONParser()])
    assert body_digest(request) == hashlib.sha256(b"").hexdigest()


def test_a_refusal_can_itself_be_sent() -> None:
    _, message = refusal(b'{"\\ud83d": {"x": NaN}, "a": 1}')
    assert message.encode()


def test_the_deepest_arguments_fit_into_a_batch() -> None:
    body = dumps([{"arguments": {"x": nested(MAX_DEPTH - 1)}}]).encode()
    check_json(parse(body)[0]["arguments"])


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse(b'["\\ud83d\\ude00"]') == ["😀"]


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse(b"\xef\xbb\xbf[1]") == [1]


@hypothesis.settings(deadline=None)
@given(st.binary(max_size=30))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    try:
        value = parse(body)
    except ParseError:
        return
    assert value == json.loads(body.decode("utf-8-sig"))


NUMBER = r"-?(0|[1-9][0-9]{0,21})(\.[0-9]{1,21})?([eE][+-]?[0-9]{1,4})?"
SPELLED = st.recursive(
    st.from_regex(NUMBER, fullmatch=True)
    | st.sampled_from(
        [str(2**63), str(2**63 - 1), str(-(2**63) - 1), "9" * 18, "1e308", "2E+308", "1e-999", "-1.5e309"]
    )
    | st.sampled_from(
        ["NaN", "-Infinity", "null", "true", r'"\u0000"', r'"\ud83d"', r'"\ud83d\ude00"', '"[{"']
    )
    | st.text(max_size=5).map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | inner.map(lambda item: f'{{"key": {item}}}')
    ),
    max_leaves=6,
)


@given(SPELLED, st.integers(0, 70))
@hypothesis.example("1e+309", 0)
@hypothesis.example("NaN", 1)
@hypothesis.example("Infinity", 1)
@hypothesis.example(str(2**63), 1)
@hypothesis.example("1", MAX_DEPTH + 2)
@hypothesis.example("1", MAX_DEPTH + 3)
def test_a_body_is_taken_exactly_if_the_whole_check_takes_its_value(text: str, levels: int) -> None:
    text = "[" * levels + text + "]" * levels
    value = json.loads(text)
    most = MAX_DEPTH + (2 if isinstance(value, list) else 1)
    assert _fault(lambda: parse(text.encode())) == _fault(lambda: check_json(value, max_depth=most))


def _fault(check: Callable[[], object]) -> str | None:
    try:
        check()
    except InvalidJSON as error:
        return error.code
    except ParseError as error:
        return str(error.get_codes())
    return None


SPACES = st.sampled_from(["", "", " ", "\t\n", "\r "])
KEYS = st.sampled_from(["a", "b", ":", "a:", '":', "\\"]).map(json.dumps)
MEMBERS = st.recursive(
    st.sampled_from(["1", "[]", '":"', '": :"', '"a:b"', r'"\":"', r'"\\"', '"12:30"']),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.builds("{}{}:{}{}".format, KEYS, SPACES, SPACES, inner), max_size=3).map(
            lambda members: f"{{{','.join(members)}}}"
        )
    ),
    max_leaves=8,
)


@given(MEMBERS)
@hypothesis.example('{"a":1,"a":":"}')
@hypothesis.example('[{"a" :1,"a":2}]')
@hypothesis.example('[{"a":1,"a":2},":"]')
@hypothesis.example('[{"a":1,"a":2},[[[[[[[1]]]]]]]]')
def test_a_key_that_stands_twice_is_found_wherever_colons_stand(text: str) -> None:
    has_twice: list[bool] = []
    value = json.loads(
        text, object_pairs_hook=lambda pairs: has_twice.append(len(dict(pairs)) < len(pairs)) or dict(pairs)
    )
    if any(has_twice):
        assert refusal(text.encode())[0] == "duplicate_key"
    else:
        assert parse(text.encode()) == value


@pytest.mark.parametrize(
    "end", [b"", b",", b"]]", b',{"b" 1}]', b"," + b"[" * 100_000, b",1" + b"0" * 5000 + b"]"]
)
def test_of_two_faults_the_key_that_stands_twice_is_told_if_it_comes_first(end: bytes) -> None:
    assert refusal(b'[{"a": 1, "a": 2}' + end)[0] == "duplicate_key"


@hypothesis.settings(deadline=None)
@given(st.lists(storable | st.sampled_from(["\x1e", ["\x1e"], [1, "\x1e", 2], {"\x1e": "\x1e"}, ',"\x1e",'])))
def test_values_are_spelled_together_as_each_of_them_alone(values: list[Any]) -> None:
    assert dumps_each(values) == [dumps(value) for value in values]


def test_a_body_is_read_up_to_its_limit_and_not_beyond(settings: Any) -> None:
    settings.CONFIG = settings.CONFIG.model_copy(update={"max_body_bytes": 1024})
    assert parse(b'"' + b"x" * 1022 + b'"') == "x" * 1022
    stream = io.BytesIO(b"[" * 5000)
    with pytest.raises(PayloadTooLarge) as caught:
        StrictJSONParser().parse(stream)
    assert caught.value.status_code == 413
    assert stream.tell() == 1025


def test_the_charset_of_a_request_is_utf8_whatever_it_claims() -> None:
    request = APIRequestFactory().generic(
        "POST", "/", '["é"]', content_type="application/json; charset=latin-1"
    )
    assert Request(request, parsers=[StrictJSONParser()]).data == ["é"]


def test_an_answer_that_quotes_a_lone_surrogate_is_still_json() -> None:
    body = StrictJSONRenderer().render({"detail": "\ud800 é"})
    assert json.loads(body) == {"detail": "\ud800 é"}


def test_an_ordinary_answer_keeps_its_characters() -> None:
    assert StrictJSONRenderer().render({"detail": "é"}) == '{"detail":"é"}'.encode()


def test_the_parser_stands_in_for_the_frameworks_own() -> None:
    assert StrictJSONParser.media_type == JSONParser.media_type


def test_a_path_becomes_a_json_pointer() -> None:
    assert pointer(()) == ""
    assert pointer((0, "a/b", "c~d", "")) == "/0/a~1b/c~0d/"
