"""The embedded server's life: made, shared, found again after a crash, stopped, refused when it cannot work."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from relay.kit.embedded_postgres import EmbeddedPostgres
from relay.kit.errors import OperatorError

HOLDER = """
import sys, time
from pathlib import Path
from relay.kit.embedded_postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])).lease() as conninfo:
    print(conninfo, flush=True)
    time.sleep(600)
"""


def postmaster(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def folder(tmp_path):
    """Where a server may live; whatever a test leaves running is stopped."""
    yield tmp_path / "postgres"
    with EmbeddedPostgres(tmp_path / "postgres").lease():
        pass


@pytest.fixture
def holder(folder):
    """Another process that uses the server."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_data_survives_a_stop_and_nothing_is_left_running(folder):
    with EmbeddedPostgres(folder).lease() as conninfo:
        with psycopg.connect(conninfo) as connection:
            connection.execute("create table kept (it int)")
        pid = postmaster(folder)
    assert not alive(pid)
    with EmbeddedPostgres(folder).lease() as conninfo, psycopg.connect(conninfo) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (0,)


def test_it_listens_on_no_port_and_its_folder_is_private(folder):
    with EmbeddedPostgres(folder).lease() as conninfo, psycopg.connect(conninfo) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("",)
    assert folder.stat().st_mode & 0o077 == 0


def test_the_last_user_stops_it_not_the_first(folder, holder):
    pid = postmaster(folder)
    with EmbeddedPostgres(folder).lease():
        assert postmaster(folder) == pid
    assert alive(pid)


def test_a_killed_user_leaves_a_server_that_the_next_one_finds(folder, holder):
    pid = postmaster(folder)
    holder.kill()
    holder.wait()
    assert alive(pid)
    with EmbeddedPostgres(folder).lease() as conninfo, psycopg.connect(conninfo) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        assert postmaster(folder) == pid
    assert not alive(pid)


def test_a_killed_server_comes_back_with_its_data(folder, holder):
    with EmbeddedPostgres(folder).lease() as conninfo:
        with psycopg.connect(conninfo) as connection:
            connection.execute("create table kept (it int)")
            connection.execute("insert into kept values (7)")
            connection.commit()
        os.kill(postmaster(folder), signal.SIGKILL)
    with EmbeddedPostgres(folder).lease() as conninfo, psycopg.connect(conninfo) as connection:
        assert connection.execute("select it from kept").fetchone() == (7,)


def test_a_server_that_dies_under_its_users_is_started_again_at_the_same_address(tmp_path):
    for folder in (tmp_path / "short", tmp_path / ("long" * 25)):
        postgres = EmbeddedPostgres(folder)
        with postgres.lease() as conninfo:
            pid = postmaster(folder)
            os.kill(pid, signal.SIGKILL)
            while alive(pid):
                time.sleep(0.01)
            postgres.ensure_running()
            assert postgres.conninfo == conninfo
            with psycopg.connect(conninfo) as connection:
                assert connection.execute("select 1").fetchone() == (1,)


def test_a_path_too_long_for_a_socket_works_too(tmp_path):
    with EmbeddedPostgres(tmp_path / ("long" * 25)).lease() as conninfo, psycopg.connect(conninfo) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_cluster_of_another_version_is_refused_with_what_to_do(folder):
    with EmbeddedPostgres(folder).lease():
        pass
    (folder / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(OperatorError, match=r"made by PostgreSQL 15, this evconduit brings \d+: dump it"):
        EmbeddedPostgres(folder).lease().__enter__()
    (folder / "data" / "PG_VERSION").write_text("18\n")


def test_a_folder_that_cannot_be_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="set EVCONDUIT_DATA") as caught:
        EmbeddedPostgres(tmp_path / "file" / "postgres").lease().__enter__()
    assert "\n" not in str(caught.value)
