"""Cursors: signed, for one list and one ordering; anything else is refused."""

from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.hostile.sweep import Operation, Session, judged

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def lists(session: Session, told: list[Operation]) -> dict[str, str]:
    """A good cursor of each list that has a second page."""
    for name in ("cursor-a", "cursor-b"):
        session.make("/calendars/", {"name": name})
        session.make("/tasks/", {"operation": "4+7"})
        session.make("/task-schedules/", {"operation": "4+7", "every_x_days": 1})
    return {
        each.path: parse_qs(urlsplit(following).query)["cursor"][0]
        for each in told
        if "cursor" in each.query
        if (following := session.ask("GET", f"{each.path}?page_size=1").json()["next"])
    }


def asked(session: Session, path: str, cursor: str, query: str = "page_size=1") -> list[str]:
    """What is wrong with the answer to this cursor."""
    return judged((path, cursor), session.ask("GET", f"{path}?{query}&cursor={quote(cursor)}"), 400)


def test_a_cursor_of_which_one_bit_is_changed_is_refused(session: Session, lists: dict[str, str]) -> None:
    assert len(lists) >= 3
    found = []
    for path, cursor in lists.items():
        for number, character in enumerate(cursor):
            changed = chr(ord(character) ^ (1 << number % 6))
            found += asked(session, path, cursor[:number] + changed + cursor[number + 1 :])
    assert not found, "\n".join(found[:20])


def test_a_cursor_in_pieces_is_refused(session: Session, lists: dict[str, str]) -> None:
    found = []
    for path, cursor in lists.items():
        parts = cursor.split(":")
        wrong = [cursor[:number] for number in range(1, len(cursor), 3)]
        wrong += [
            cursor[1:],
            cursor + "A",
            cursor * 2,
            cursor.swapcase(),
            ":".join(parts[::-1]),
            cursor + "==",
        ]
        wrong += [parts[0], parts[-1], f"{parts[0]}:{parts[-1]}", ":" * 20, "A" * 6000, "e30", "bnVsbA:" * 3]
        for each in wrong:
            found += asked(session, path, each)
    assert not found, "\n".join(found[:20])


def test_a_cursor_of_another_list_or_ordering_is_refused(session: Session, lists: dict[str, str]) -> None:
    found = []
    for path, cursor in lists.items():
        for other, others in lists.items():
            # The same kind of rows in the same order: a place there is a place here.
            if other.rpartition("/tasks/")[1:] != path.rpartition("/tasks/")[1:]:
                found += asked(session, path, others)
        query = "page_size=1&ordering=" + ("priority" if path == "/tasks/" else "created_at")
        found += asked(session, path, cursor, query)
    assert not found, "\n".join(found[:20])


def test_a_good_cursor_is_taken(session: Session, lists: dict[str, str]) -> None:
    for path, cursor in lists.items():
        assert session.ask("GET", f"{path}?page_size=1&cursor={quote(cursor)}").status == 200
