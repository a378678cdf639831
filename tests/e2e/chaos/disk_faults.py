"""A full disk under the database.

The disk is a real small one where the machine allows that (`small_disk.py`). Elsewhere, a trigger raises the error that
PostgreSQL raises on a full disk: the relay sees the same, but the server itself has room.
"""

import json
import secrets
from datetime import UTC, datetime

import httpx

from demo.enode.signing import sign
from tests.e2e.chaos.scenario import Run
from tests.e2e.processes import wait_until

FILLER_BYTES = 300_000
MAX_ANSWER_SECONDS = 2.0
"""Enode must get its 503 within this time (semantics.md). The test allows another second for a busy machine."""
RECOVERY_SECONDS = 120
CHANGES_WHILE_FULL = 10
REFUSE_WRITES = """
create function pg_temp.refuse() returns trigger language plpgsql as
$$ begin raise exception 'no space left' using errcode = 'disk_full'; end $$;
create trigger disk_is_full before insert on evconduit.webhook_logs execute function pg_temp.refuse();
"""


def fill_disk(run: Run) -> None:
    """Fill the disk until a delivery is refused, and make room again after a while."""
    if run.cluster.disk is None:
        with run.cluster.connect() as connection:  # the temporary function lives as long as the connection
            connection.execute(REFUSE_WRITES)
            stay_full(run)
            connection.execute("drop trigger disk_is_full on evconduit.webhook_logs")
    else:
        run.cluster.disk.fill()
        stay_full(run)
        run.cluster.disk.free()
    wait_until(
        lambda: deliver_filler(run).status_code == 200,
        seconds=RECOVERY_SECONDS,
        missing="200 to a delivery after the disk had room again",
    )


def stay_full(run: Run) -> None:
    """Send deliveries until one is refused, and check how; then let the load go on for a while."""
    responses: list[httpx.Response] = []

    def is_refused() -> bool:
        responses.append(deliver_filler(run))
        return responses[-1].status_code != 200

    wait_until(is_refused, missing=lambda: f"a refused delivery, {len(responses)} were accepted")
    refused = responses[-1]
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True), refused.text
    assert refused.elapsed.total_seconds() < MAX_ANSWER_SECONDS + 1
    run.wait_for_changes(CHANGES_WHILE_FULL)
    assert deliver_filler(run).status_code == 503


def deliver_filler(run: Run) -> httpx.Response:
    """Send a signed event of no user that takes up space, as Enode's heartbeats do."""
    event = {
        "event": "system:heartbeat",
        "createdAt": datetime.now(UTC).isoformat(),
        "version": "2024-10-01",
        "pendingEvents": 0,
        "filler": secrets.token_hex(FILLER_BYTES // 2),
    }
    body = json.dumps([event]).encode()
    headers = {"content-type": "application/json", "x-enode-signature": sign(run.cluster.secret, body)}
    return httpx.post(f"{run.cluster.urls[0]}/api/webhook/enode", content=body, headers=headers, timeout=10)
