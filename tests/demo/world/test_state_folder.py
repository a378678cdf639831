import json

import pytest

from demo.world.errors import UserFixableError
from demo.world.state_folder import MARKER, open_state_folder, remove_state_folder


def test_saved_state_is_loaded_by_the_next_start(tmp_path):
    with open_state_folder(tmp_path / "demo") as state:
        assert not state.prepare(fresh=False)
        secret = state.saved.webhook_secret
        state.update(key="evc_x", ports={"relay": 18300}, home=(52.0, 5.0), linked=("TESLA",))
    with open_state_folder(tmp_path / "demo") as state:
        assert state.prepare(fresh=False)
        assert state.saved.key == "evc_x"
        assert state.saved.ports == {"relay": 18300}
        assert state.saved.home == (52.0, 5.0)
        assert state.saved.linked == ("TESLA",)
        assert state.saved.webhook_secret == secret


def test_marker_file_is_readable_only_by_its_owner(tmp_path):
    with open_state_folder(tmp_path / "demo") as state:
        state.prepare(fresh=False)
    assert (tmp_path / "demo" / MARKER).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("fresh", [True, False])
def test_folder_without_marker_is_refused_and_unchanged(tmp_path, fresh):
    (tmp_path / "thesis.txt").write_text("years of work", "utf-8")
    with (
        pytest.raises(UserFixableError, match="is not a state folder of the demo"),
        open_state_folder(tmp_path, fresh=fresh),
    ):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_fresh_wipes_the_state_folder(tmp_path):
    with open_state_folder(tmp_path / "demo") as state:
        state.prepare(fresh=False)
        state.update(key="evc_x")
        (state.path / "home-assistant").mkdir()
        (state.path / "home-assistant" / "db").touch()
        link_target = tmp_path / "integration"
        link_target.mkdir()
        (state.path / "link").symlink_to(link_target, target_is_directory=True)
    with open_state_folder(tmp_path / "demo", fresh=True) as state:
        assert not state.prepare(fresh=True)
        assert state.saved.key is None
        assert not (state.path / "home-assistant").exists()
    assert link_target.is_dir()  # the link is removed, but not its target


def test_folder_in_use_is_refused(tmp_path):
    with (
        open_state_folder(tmp_path / "demo"),
        pytest.raises(UserFixableError, match="another demo is using"),
        open_state_folder(tmp_path / "demo"),
    ):
        pass


@pytest.mark.parametrize("marker", ["", "[]", "{}", '{"layout": 1, "surprise": 2}'])
def test_invalid_marker_is_refused_unless_fresh(tmp_path, marker):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / MARKER).write_text(marker, "utf-8")
    with pytest.raises(UserFixableError, match="cannot be read: start with --fresh"), open_state_folder(folder):
        pass
    with open_state_folder(folder, fresh=True) as state:
        state.prepare(fresh=True)
    assert json.loads((folder / MARKER).read_text("utf-8"))["key"] is None


def test_folder_of_another_version_is_refused(tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / MARKER).write_text('{"layout": 99}', "utf-8")
    with pytest.raises(UserFixableError, match="was created by another version of the demo"), open_state_folder(folder):
        pass


def test_folder_that_cannot_be_created_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserFixableError, match=r"cannot use .*Not a directory"),
        open_state_folder(tmp_path / "file" / "demo"),
    ):
        pass


def test_removing_the_folder_keeps_only_the_given_file(tmp_path):
    for name in ("with", "without"):
        (tmp_path / name / "logs").mkdir(parents=True)
    (tmp_path / "with" / "dashboard.png").touch()
    for name in ("with", "without"):
        remove_state_folder(tmp_path / name, keep="dashboard.png")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["with", "with/dashboard.png"]
