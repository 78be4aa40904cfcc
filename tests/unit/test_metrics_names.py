"""Names that clients choose, as labels."""

import os
from pathlib import Path

import pytest

from scheduler_service.metrics.names import FILE, OTHER, Names


@pytest.mark.parametrize("is_shared", [True, False])
def test_the_first_names_have_labels_of_their_own_and_the_rest_has_one(tmp_path, is_shared):
    names = Names(tmp_path if is_shared else None, own=["tasks"], most=3)
    labels = [names.label(name) for name in ("a", "b", "a", "tasks", "c", "d", "e", "a", "tasks")]
    assert labels == ["a", "b", "a", "tasks", "c", OTHER, OTHER, "a", "tasks"]


def test_all_processes_of_a_folder_share_one_bound(tmp_path: Path):
    one, other = Names(tmp_path, most=3), Names(tmp_path, most=3)
    assert [one.label("a"), other.label("b"), one.label("c"), other.label("d")] == ["a", "b", "c", OTHER]
    assert [other.label("a"), one.label("b"), one.label("e")] == ["a", "b", OTHER]
    assert len((tmp_path / FILE).read_text().splitlines()) == 3


def test_a_new_name_is_not_looked_for_once_all_are_taken(tmp_path: Path):
    names = Names(tmp_path, most=1)
    names.label("a")
    (tmp_path / FILE).unlink()
    assert names.label("b") == OTHER
    assert not (tmp_path / FILE).exists()


def test_names_with_strange_characters_come_back_as_they_are(tmp_path: Path):
    Names(tmp_path).label('a"\n\\b')
    assert Names(tmp_path, most=1).label('a"\n\\b') == 'a"\n\\b'


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_leaves_a_bound_per_process(tmp_path: Path):
    tmp_path.chmod(0o500)
    names = Names(tmp_path, most=1)
    assert [names.label("a"), names.label("b")] == ["a", OTHER]


def test_a_spoilt_file_leaves_a_bound_per_process(tmp_path: Path):
    (tmp_path / FILE).write_text("no json\n")
    names = Names(tmp_path, most=1)
    assert [names.label("a"), names.label("b")] == ["a", OTHER]
