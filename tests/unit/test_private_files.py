"""Which folders and files others may not look into."""

import os
import stat

import pytest

from runlane.private_files import make_file, make_folder


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_and_what_is_ours_is_closed(tmp_path):
    make_folder(tmp_path / "new" / "data")
    (tmp_path / "old").mkdir(mode=0o755)
    (tmp_path / "old" / "runlane.db").write_text("")
    make_folder(tmp_path / "old")

    assert [mode(tmp_path / name) for name in ("new/data", "old")] == [0o700, 0o700]


def test_a_folder_that_holds_other_things_is_left_as_it_is_with_a_warning(tmp_path, caplog):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2775)
    (shared / "letters.txt").write_text("")

    make_folder(shared)

    assert mode(shared) == 0o2775
    assert f"The folder {shared} holds other things" in caplog.text


@pytest.mark.parametrize("there", [False, True])
def test_a_file_is_closed_and_keeps_what_is_in_it(tmp_path, there):
    path = tmp_path / "runlane.db"
    if there:
        path.write_text("kept")
        os.chmod(path, 0o644)

    make_file(path)

    assert (mode(path), path.read_text()) == (0o600, "kept" if there else "")
