"""The simulator as a process: start, output, stop and state file."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from demo.enode.state_file import StateFileError, load_world
from tests.demo.enode.openapi_validator import ROOT
from tests.demo.enode.running_simulator import RunningSimulator, make_settings
from tests.demo.enode.webhook_receiver import WebhookReceiver

COMMAND = [sys.executable, "-m", "demo.enode"]


def run_to_end(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the simulator with options that make it exit."""
    return subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def read_seconds_without_processor(*processes: str) -> float:
    """How long these processes have been ready to run, but had to wait for a processor."""
    return sum(int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) for process in processes) / 1e9


def test_process_prints_its_address_and_stops_within_two_seconds():
    with subprocess.Popen([*COMMAND, "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().split()[3].rstrip(",")
            # An open client connection must not delay the exit.
            with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
                assert http.get("/_sim/health").json()["speed"] == 60
                both = (str(process.pid), "thread-self")
                started = time.monotonic() - read_seconds_without_processor(*both)
                process.send_signal(signal.SIGTERM)
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # keeps its files in /proc
                elapsed = time.monotonic() - read_seconds_without_processor(*both) - started
        finally:
            process.kill()
    assert process.returncode == 0
    assert elapsed < 2


def test_busy_port_prints_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run_to_end("--port", port)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert port in ended.stderr
    assert "--port" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--port", "70000"], "--port"),
        (["--speed", "-1"], "--speed"),
        (["--speed", "fast"], "--speed"),
        (["--client-id", ""], "--client-id"),
        (["--state", "/dev/null/state.json"], "--state"),
    ],
)
def test_invalid_option_is_named_in_the_error(arguments: list[str], named: str):
    ended = run_to_end("--port", "0", *arguments)
    assert ended.returncode == 2
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


def test_file_that_is_not_a_state_file_is_refused(tmp_path: Path):
    path = tmp_path / "state.json"
    path.write_text('{"vehicles": "many"}')
    with pytest.raises(StateFileError, match=r"remove it to start over"):
        load_world(path)
    assert load_world(tmp_path / "absent.json") is None


def test_help_lists_every_option():
    output = run_to_end("--help").stdout
    for option in ("--host", "--port", "--speed", "--client-id", "--client-secret", "--seed", "--state"):
        assert option in output


def test_cars_ids_and_undelivered_events_survive_a_restart(tmp_path: Path, receiver: WebhookReceiver):
    path = tmp_path / "state.json"
    settings = make_settings(state_file=path)
    first = RunningSimulator(settings)
    first.sign_in()
    subscription = first.create_subscription("http://127.0.0.1:9/nobody-listens")
    car = first.link_car()
    first.change_car(car, activity="plug_in", battery_level=34)
    action = first.send_command(car, "START")
    seen, pending = first.get_vehicle(car), first.json("GET", "/_sim/health")["pending_events"]
    first.close()
    assert pending >= 4

    second = RunningSimulator(settings, load_world(path))
    try:
        second.sign_in()
        assert second.get_vehicle(car) == seen
        assert second.json("GET", f"/vehicles/actions/{action['id']}") == action
        assert second.json("GET", f"/webhooks/{subscription['id']}")["isActive"] is True
        second.json("PATCH", f"/webhooks/{subscription['id']}", {"url": receiver.url})
        second.collect_events(receiver, "")
        bodies = {delivery.body: delivery.events for delivery in receiver.deliveries}
        published = [event for body in bodies.values() for event in body]
        assert len(published) == pending + 1
        assert [event["createdAt"] for event in published] == sorted(event["createdAt"] for event in published)
        second.advance_time(60)
        assert second.json("GET", f"/vehicles/actions/{action['id']}")["state"] == "CONFIRMED"
        ids = {car, subscription["id"], action["id"]}
        assert second.link_car("xpeng-g6") not in ids
    finally:
        second.close()


def test_state_is_saved_while_running_and_only_readable_by_its_owner(tmp_path: Path):
    path = tmp_path / "state.json"
    simulator = RunningSimulator(make_settings(state_file=path))
    try:
        simulator.sign_in()
        car = simulator.link_car()
        deadline = time.monotonic() + 60
        while car not in json.loads(path.read_text())["vehicles"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert path.stat().st_mode & 0o077 == 0
    finally:
        simulator.close()
