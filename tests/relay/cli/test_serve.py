"""`evconduit serve` and its embedded database, as real processes."""

import os
import signal
import socket
import time

import httpx
import pytest

from relay.kit.embedded_postgres import EmbeddedPostgres
from tests.relay.support.command_line import CommandLineInThisProcess

STOP_SECONDS = 60
"""A relay stops within its grace periods of five seconds each; on a machine with ten times its load, much later."""


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def key(new_operator):
    """The API key of an account on a relay whose embedded database is stopped."""
    operator = CommandLineInThisProcess(new_operator.folder)
    with EmbeddedPostgres(new_operator.folder / "data" / "postgres").lease():
        return operator.run_checked("key", "create", "--user", operator.run_checked("user", "add", "me@example.org"))


def wait_until_ready(port, process):
    transport = httpx.HTTPTransport(retries=0)
    with httpx.Client(transport=transport, base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        while True:
            assert process.poll() is None, process.stderr.read()
            try:
                if client.get("/api/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)


def test_new_relay_serves_an_account_and_stops_cleanly(new_operator, port):
    new_operator.run_checked("init")
    user_id = new_operator.run_checked("user", "add", "me@example.org", "--name", "Me", "--language", "de-AT")
    key = new_operator.run_checked("key", "create", "--user", "ME@example.org", "--name", "Home")
    with new_operator.serve(port) as relay:
        try:
            wait_until_ready(port, relay)
            url, header = f"http://127.0.0.1:{port}/api/ha/v2/account", {"Authorization": f"Bearer {key}"}
            account = httpx.get(url, headers=header).json()
            assert (account["id"], account["title"], account["language"]) == (user_id, "Me", "de-DE")
            second = new_operator.run_checked("key", "create", "--user", user_id)  # beside the running relay
            assert httpx.get(url, headers={"Authorization": f"Bearer {second}"}).status_code == 200
        finally:
            relay.send_signal(signal.SIGTERM)
            log = relay.communicate(timeout=STOP_SECONDS)[1]
    assert relay.returncode == 0
    assert key not in log
    assert "EVConduit relay" in log
    assert f"listens on 127.0.0.1:{port}" in log
    assert "-> No car can be linked" in log
    assert not (new_operator.folder / "data" / "postgres" / "data" / "postmaster.pid").exists()


def test_killed_relay_starts_again_on_the_same_database(new_operator, key, port):
    for signal_number in (signal.SIGKILL, signal.SIGTERM):
        with new_operator.serve(port) as relay:
            wait_until_ready(port, relay)
            headers = {"Authorization": f"Bearer {key}"}
            assert httpx.get(f"http://127.0.0.1:{port}/api/me", headers=headers).status_code == 200
            relay.send_signal(signal_number)
            relay.communicate(timeout=STOP_SECONDS)


def test_embedded_database_that_dies_is_restarted(new_operator, key, port):
    with new_operator.serve(port) as relay:
        wait_until_ready(port, relay)
        postmaster = new_operator.folder / "data" / "postgres" / "data" / "postmaster.pid"
        os.kill(int(postmaster.read_text().split()[0]), signal.SIGKILL)
        url, header = f"http://127.0.0.1:{port}/api/me", {"Authorization": f"Bearer {key}"}
        statuses = []
        with httpx.Client(headers=header, timeout=30) as client:
            while 200 not in statuses[-3:] or 503 not in statuses:
                statuses.append(client.get(url).status_code)
                assert len(statuses) < 10_000
                time.sleep(0.01)
        relay.send_signal(signal.SIGTERM)
        relay.communicate(timeout=STOP_SECONDS)
    assert set(statuses) == {200, 503}


def test_busy_port_is_reported_in_one_line(new_operator):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        result = new_operator.run("serve", "--port", str(busy.getsockname()[1]))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "Address already in use; choose another --port" in result.stderr


def test_unreachable_database_is_reported_without_the_password(new_operator):
    result = new_operator.run("serve", DATABASE_URL="postgresql://me:hush-hush@127.0.0.1:1/cars")
    assert result.returncode == 2
    assert "check DATABASE_URL" in result.stderr
    assert "hush" not in result.stderr
