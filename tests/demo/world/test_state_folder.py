import json

import pytest

from demo.world.errors import UserFixableError
from demo.world.state_folder import MARKER, open_state_folder, remove_state_folder


def test_what_is_remembered_is_there_the_next_time(tmp_path):
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


def test_the_memory_is_for_its_owner_only(tmp_path):
    with open_state_folder(tmp_path / "demo") as state:
        state.prepare(fresh=False)
    assert (tmp_path / "demo" / MARKER).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("fresh", [True, False])
def test_a_folder_with_other_things_in_it_is_refused_and_left_alone(tmp_path, fresh):
    (tmp_path / "thesis.txt").write_text("years of work", "utf-8")
    with (
        pytest.raises(UserFixableError, match="holds other things than a demo"),
        open_state_folder(tmp_path, fresh=fresh),
    ):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_fresh_wipes_what_is_ours(tmp_path):
    with open_state_folder(tmp_path / "demo") as state:
        state.prepare(fresh=False)
        state.update(key="evc_x")
        (state.path / "home-assistant").mkdir()
        (state.path / "home-assistant" / "db").touch()
        elsewhere = tmp_path / "integration"
        elsewhere.mkdir()
        (state.path / "link").symlink_to(elsewhere, target_is_directory=True)
    with open_state_folder(tmp_path / "demo", fresh=True) as state:
        assert not state.prepare(fresh=True)
        assert state.saved.key is None
        assert not (state.path / "home-assistant").exists()
    assert elsewhere.is_dir()  # a link is removed, not what it leads to


def test_two_demos_do_not_share_a_folder(tmp_path):
    with (
        open_state_folder(tmp_path / "demo"),
        pytest.raises(UserFixableError, match="already runs on"),
        open_state_folder(tmp_path / "demo"),
    ):
        pass


@pytest.mark.parametrize("marker", ["", "[]", "{}", '{"layout": 1, "surprise": 2}'])
def test_a_broken_marker_is_told_and_fresh_mends_it(tmp_path, marker):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / MARKER).write_text(marker, "utf-8")
    with pytest.raises(UserFixableError, match="cannot be read: start with --fresh"), open_state_folder(folder):
        pass
    with open_state_folder(folder, fresh=True) as state:
        state.prepare(fresh=True)
    assert json.loads((folder / MARKER).read_text("utf-8"))["key"] is None


def test_a_folder_of_another_version_is_told(tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / MARKER).write_text('{"layout": 99}', "utf-8")
    with pytest.raises(UserFixableError, match="of another version of the demo"), open_state_folder(folder):
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserFixableError, match=r"cannot use .*Not a directory"),
        open_state_folder(tmp_path / "file" / "demo"),
    ):
        pass


def test_tidying_leaves_one_file_or_nothing(tmp_path):
    for name in ("with", "without"):
        (tmp_path / name / "logs").mkdir(parents=True)
    (tmp_path / "with" / "dashboard.png").touch()
    for name in ("with", "without"):
        remove_state_folder(tmp_path / name, keep="dashboard.png")
    assert [str(it.relative_to(tmp_path)) for it in sorted(tmp_path.rglob("*"))] == ["with", "with/dashboard.png"]
