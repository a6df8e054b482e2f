"""What is written appears whole or not at all, and a place that cannot be written to is refused with the cure."""

import pytest

from fluxkit.errors import FluxkitError
from fluxkit.files import check_folder, written_together, written_whole


def test_a_file_takes_its_place_only_when_it_is_written(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with written_whole(path) as part:
        part.write_text("whole")
        assert part.name == path.name  # writers read the kind of a file from its name
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def write():
        with written_whole(path) as part:
            part.write_text("ne")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_belong_together_come_together(tmp_path):
    def write(fail: bool):
        with written_together(tmp_path) as folder:
            (folder / "a.txt").write_text("a")
            if fail:
                raise OSError("disk full")
            (folder / "b.txt").write_text("b")

    with pytest.raises(OSError, match="disk full"):
        write(fail=True)
    assert list(tmp_path.iterdir()) == []
    write(fail=False)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.txt", "b.txt"]


def test_a_file_in_the_way_is_refused_before_anything_is_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FluxkitError, match="'.*file' is a file. Choose another folder"):
        check_folder(tmp_path / "file" / "results")
    with pytest.raises(FluxkitError, match="cannot write into"), written_whole(tmp_path / "file" / "table.csv"):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
