"""The embedded server: created, shared, used again after a crash, stopped, and the errors when it can't work."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from relay.kit.embedded_postgres import EmbeddedPostgres
from relay.kit.errors import OperatorError
from tests.relay.support.memory_folder import open_memory_folder

LEASE_HOLDER = """
import sys, time
from pathlib import Path
from relay.kit.embedded_postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])).lease() as conninfo:
    print(conninfo, flush=True)
    time.sleep(600)
"""


def read_server_pid(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def parent(tmp_path):
    """An empty folder."""
    with open_memory_folder(tmp_path) as folder:
        yield folder


@pytest.fixture
def folder(parent, stopped_cluster):
    """The folder of a server that has been stopped. It is stopped again if the test leaves it running."""
    shutil.copytree(stopped_cluster, parent / "postgres" / "data")
    yield parent / "postgres"
    with EmbeddedPostgres(parent / "postgres").lease():
        pass


@pytest.fixture
def lease_holder(folder):
    """Another process that holds a lease of the server."""
    process = subprocess.Popen([sys.executable, "-c", LEASE_HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_data_survives_a_stop_and_no_process_keeps_running(folder):
    with EmbeddedPostgres(folder).lease() as conninfo:
        with psycopg.connect(conninfo) as connection:
            connection.execute("create table kept (it int)")
        pid = read_server_pid(folder)
    assert not is_alive(pid)
    with EmbeddedPostgres(folder).lease() as conninfo, psycopg.connect(conninfo) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (0,)


def test_new_server_listens_on_no_port_and_its_folder_is_private(parent):
    folder = parent / "postgres"
    with EmbeddedPostgres(folder).lease() as conninfo, psycopg.connect(conninfo) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("",)
    assert folder.stat().st_mode & 0o077 == 0


def test_server_runs_until_its_last_lease_ends(folder, lease_holder):
    pid = read_server_pid(folder)
    with EmbeddedPostgres(folder).lease():
        assert read_server_pid(folder) == pid
    assert is_alive(pid)


def test_server_of_a_killed_lease_holder_is_used_by_the_next_process(folder, lease_holder):
    pid = read_server_pid(folder)
    lease_holder.kill()
    lease_holder.wait()
    assert is_alive(pid)
    with EmbeddedPostgres(folder).lease() as conninfo, psycopg.connect(conninfo) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        assert read_server_pid(folder) == pid
    assert not is_alive(pid)


def test_killed_server_is_started_again_with_its_data(folder, lease_holder):
    with EmbeddedPostgres(folder).lease() as conninfo:
        with psycopg.connect(conninfo) as connection:
            connection.execute("create table kept (it int)")
            connection.execute("insert into kept values (7)")
            connection.commit()
        os.kill(read_server_pid(folder), signal.SIGKILL)
    with EmbeddedPostgres(folder).lease() as conninfo, psycopg.connect(conninfo) as connection:
        assert connection.execute("select it from kept").fetchone() == (7,)


def test_server_that_dies_during_a_lease_is_restarted_with_the_same_connection_string(parent, stopped_cluster):
    for folder in (parent / "short", parent / ("long" * 25)):
        shutil.copytree(stopped_cluster, folder / "data")
        postgres = EmbeddedPostgres(folder)
        with postgres.lease() as conninfo:
            pid = read_server_pid(folder)
            os.kill(pid, signal.SIGKILL)
            while is_alive(pid):
                time.sleep(0.01)
            postgres.ensure_running()
            assert postgres.conninfo == conninfo
            with psycopg.connect(conninfo) as connection:
                assert connection.execute("select 1").fetchone() == (1,)


def test_folder_with_a_path_too_long_for_a_socket_works(parent):
    with EmbeddedPostgres(parent / ("long" * 25)).lease() as conninfo, psycopg.connect(conninfo) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_cluster_of_another_version_is_refused_with_instructions(folder):
    with EmbeddedPostgres(folder).lease():
        pass
    (folder / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(OperatorError, match=r"made by PostgreSQL 15, this evconduit brings \d+: dump it"):
        EmbeddedPostgres(folder).lease().__enter__()
    (folder / "data" / "PG_VERSION").write_text("18\n")


def test_error_for_an_unusable_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="set EVCONDUIT_DATA") as caught:
        EmbeddedPostgres(tmp_path / "file" / "postgres").lease().__enter__()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["lease", "change"])
def test_error_for_a_folder_that_cannot_be_written_is_one_line(tmp_path, monkeypatch, name):
    """A read-only volume, or a file system that the kernel has made read-only after an error."""
    original = Path.open

    def refuse(path, *args, **options):
        if path.name == name:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return original(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OperatorError, match="Read-only file system; make it writable") as caught:
        EmbeddedPostgres(tmp_path / "postgres").lease().__enter__()
    assert "\n" not in str(caught.value)


def wait_until_dead(pid: int) -> None:
    deadline = time.monotonic() + 30
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def delete_data(folder: Path) -> None:
    shutil.rmtree(folder / "data")


def delete_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def empty_data(folder: Path) -> None:
    for path in (folder / "data").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("delete", [delete_data, delete_folder, empty_data])
def test_orphaned_server_of_a_deleted_cluster_ends_before_the_new_one_begins(folder, lease_holder, delete, monkeypatch):
    orphan = read_server_pid(folder)
    lease_holder.kill()
    lease_holder.wait()
    create_cluster, was_alive = EmbeddedPostgres._create_cluster, []

    def record_and_create(postgres):
        was_alive.append(is_alive(orphan))
        create_cluster(postgres)

    monkeypatch.setattr(EmbeddedPostgres, "_create_cluster", record_and_create)
    try:
        delete(folder)
        with EmbeddedPostgres(folder).lease() as conninfo:
            assert was_alive == [False]
            with psycopg.connect(conninfo) as connection:
                assert connection.execute("select 1").fetchone() == (1,)
            assert read_server_pid(folder) != orphan
    finally:
        if is_alive(orphan):
            os.kill(orphan, signal.SIGQUIT)
            wait_until_dead(orphan)


def test_server_whose_folder_was_moved_keeps_its_data_and_does_not_remove_the_socket_of_the_new_one(
    folder, lease_holder
):
    moved = folder.parent / "moved"
    orphan = read_server_pid(folder)
    lease_holder.kill()
    lease_holder.wait()
    folder.rename(moved)
    try:
        with EmbeddedPostgres(folder).lease() as conninfo:
            assert is_alive(orphan)
            os.kill(orphan, signal.SIGQUIT)
            wait_until_dead(orphan)
            with psycopg.connect(conninfo) as connection:
                assert connection.execute("select 1").fetchone() == (1,)
    finally:
        if is_alive(orphan):
            os.kill(orphan, signal.SIGKILL)


def test_program_in_a_deleted_data_folder_that_is_no_server_is_left_alone(folder):
    with subprocess.Popen(["/bin/sleep", "60"], cwd=folder / "data") as visitor:
        shutil.rmtree(folder / "data")
        with EmbeddedPostgres(folder).lease():
            assert visitor.poll() is None
        visitor.kill()
