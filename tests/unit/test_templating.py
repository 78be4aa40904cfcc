"""Placeholders in the arguments of a schedule."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from schedules_app.templating import has_placeholders, render

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
KEY = UUID(int=7)


def test_a_nominal_time_is_filled_in_as_iso_8601_in_utc():
    berlin = NOON.astimezone(timezone(timedelta(hours=1)))
    assert render({"day": "{{ occurrence }}"}, berlin, KEY) == {"day": "2030-01-01T12:00:00Z"}


def test_microseconds_are_kept():
    moment = NOON + timedelta(microseconds=5)
    assert render("{{occurrence}}", moment, KEY) == "2030-01-01T12:00:00.000005Z"


def test_texts_are_filled_at_any_depth_and_keys_are_not():
    given = {"{{occurrence}}": [{"to": "s/{{schedule_id}}/{{  occurrence  }}.csv"}, 3, None, True, 1.5]}
    assert render(given, NOON, KEY) == {
        "{{occurrence}}": [{"to": f"s/{KEY}/2030-01-01T12:00:00Z.csv"}, 3, None, True, 1.5]
    }


def test_an_unknown_placeholder_stays_as_it_is_written():
    assert render("{{ x }} {{}} {{ occurrence", NOON, KEY) == "{{ x }} {{}} {{ occurrence"


def test_the_stored_arguments_are_not_changed():
    given = {"a": ["{{ occurrence }}"]}
    render(given, NOON, KEY)
    assert given == {"a": ["{{ occurrence }}"]}


def test_arguments_without_braces_need_no_rendering():
    assert not has_placeholders({"a": [1, {"b": "{ occurrence }"}]})
    assert has_placeholders({"a": [1, {"b": "x{{occurrence}}"}]})
