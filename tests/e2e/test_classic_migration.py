"""A Home Assistant with the classic integration's entries migrates at a real relay."""

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.processes import wait_until

ROOT = Path(__file__).parents[2]
MODEL_Y, MODEL_3, LEAF = (
    *("01M8K56SKVVRHS09YJBA653SCR", "01M8K56T6MN16T10794S1V8NJE"),
    "01M8K57JSKQ9HSSSV0M6MF2B8Z",
)


def link_vendor(relay, enode, vendor: str) -> None:
    enode.link(relay.run("vehicle", "link", "--user", relay.user), vendor)


def list_records(relay, vendor: str) -> list[dict]:
    """List the vehicles of a vendor that have reported something."""
    vehicles = [record for record in relay.list_vehicles() if record["vehicle"].get("chargeState")]
    return [record for record in vehicles if record["vehicle"]["vendor"] == vendor]


def test_classic_entries_are_found_by_each_id_that_enode_or_the_relay_gave_them(start_relay, enode):
    relay = start_relay()
    link_vendor(relay, enode, "TESLA")
    link_vendor(relay, enode, "NISSAN")
    [first, second] = wait_until(lambda: (rows := list_records(relay, "TESLA"))[1:] and rows)
    [leaf] = wait_until(lambda: list_records(relay, "NISSAN"))
    former_id = second["vehicle"]["id"]
    enode.http.delete(f"/_sim/vehicles/{former_id}").raise_for_status()
    wait_until(lambda: len(list_records(relay, "TESLA")) == 1)
    link_vendor(relay, enode, "TESLA")
    wait_until(lambda: former_id in [id_ for record in list_records(relay, "TESLA") for id_ in record["former_ids"]])

    ids = {MODEL_Y: first["vehicle"]["id"], MODEL_3: former_id, LEAF: leaf["id"]}
    url = str(relay.http.base_url).rstrip("/")
    command = [sys.executable, "-m", "tests.e2e.classic_client", url, relay.key, json.dumps(ids)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stderr[-2000:]
    result = json.loads(process.stdout)

    [entry] = result["entries"]
    assert (entry["id"], entry["state"], entry["api_key"], "classic" in entry) == (MODEL_Y, "loaded", relay.key, False)
    for prefix, record in (("tesla_model_y", first), ("tesla_model_3", second), ("nissan_leaf", leaf)):
        unique_id, state = result["entities"][f"sensor.{prefix}_battery_level"]
        assert unique_id == f"{record['id']}_battery_level"
        assert 0 <= float(state) <= 100
    assert [issue["vehicles"] for issue in result["issues"]] == ["—"]
    assert "`sensor.tesla_model_y_vin`" in result["issues"][0]["entities"]
