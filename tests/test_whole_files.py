"""A file is written whole or stays as it was."""

import pytest

from rareevent.errors import OutputError
from rareevent.whole_files import write_files, written_aside


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    with written_aside(path) as aside:
        aside.write_text("new")
        assert path.read_text() == "old"

    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("half way"), KeyboardInterrupt()])
def test_an_error_half_way_leaves_the_old_file_and_nothing_beside_it(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half():
        with written_aside(path) as aside:
            aside.write_text("ne")
            raise error

    with pytest.raises(type(error)):
        write_half()

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_system_that_refuses_is_told_of_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "a.txt").mkdir()

    with (
        pytest.raises(OutputError, match=r"a\.txt: cannot be written: Is a directory"),
        written_aside(tmp_path / "a.txt") as aside,
    ):
        aside.write_text("new")
    with pytest.raises(OutputError, match="file: cannot be made: File exists"):
        write_files(tmp_path / "file", {"a.txt": b"new"})

    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "file"]
