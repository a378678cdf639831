"""Files and folders that other users can't read."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from relay.kit.errors import OperatorError
from relay.kit.private_files import (
    create_private_file,
    is_private,
    prepare_private_folder,
    replace_private_file,
)


def get_mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_new_folder_is_private_and_its_parents_are_as_usual(tmp_path):
    prepare_private_folder(tmp_path / "share" / "evconduit")
    assert (get_mode(tmp_path / "share"), get_mode(tmp_path / "share" / "evconduit")) == (0o755, 0o700)


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o777, 0o2775, 0o711, 0o704])
def test_existing_folder_becomes_private_and_keeps_its_contents(tmp_path, mode):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "kept").write_text("x")
    folder.chmod(mode)
    assert not is_private(folder)
    prepare_private_folder(folder)
    assert is_private(folder)
    assert get_mode(folder) & 0o777 == 0o700
    assert (folder / "kept").read_text() == "x"


def test_private_folder_is_left_as_it_is(tmp_path):
    tmp_path.chmod(0o500)
    prepare_private_folder(tmp_path)
    assert get_mode(tmp_path) == 0o500
    tmp_path.chmod(0o700)


def test_folder_that_other_programs_need_is_refused_and_keeps_its_rights(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (tmp_path / "link").symlink_to("/etc")
    for folder in (shared, Path(tempfile.gettempdir()), Path("/"), Path("/etc"), Path("/var/lib"), tmp_path / "link"):
        before = folder.stat().st_mode
        with pytest.raises(OperatorError, match="set EVCONDUIT_DATA to a folder of its own"):
            prepare_private_folder(folder)
        assert folder.stat().st_mode == before


def test_folder_of_another_user_keeps_its_rights(tmp_path, monkeypatch):
    tmp_path.chmod(0o755)

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)
    prepare_private_folder(tmp_path)
    assert get_mode(tmp_path) == 0o755


def test_created_file_is_private_and_never_replaces_one(tmp_path):
    create_private_file(tmp_path / "key", "first")
    create_private_file(tmp_path / "key", "second")
    assert (tmp_path / "key").read_text() == "first"
    assert get_mode(tmp_path / "key") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_replaced_file_is_private_and_belongs_to_the_owner_of_its_folder(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o644)
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
    replace_private_file(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    assert get_mode(tmp_path / "file") == 0o600
    assert (tmp_path / "file").stat().st_uid == tmp_path.stat().st_uid
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
