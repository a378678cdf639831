"""Commands that users send while processes are killed, and what must be true of them in the end."""

import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import psycopg

from tests.e2e.chaos.accounts import Account
from tests.e2e.chaos.cluster import Cluster
from tests.e2e.chaos.ground_truth import GroundTruth
from tests.e2e.processes import wait_until

ATTEMPTS_PER_COMMAND = 40
SECONDS_BETWEEN_ATTEMPTS = 0.5
SECONDS_BETWEEN_COMMANDS = (0.1, 0.6)
STATES_BY_ENODE_STATE = {"CONFIRMED": "confirmed", "FAILED": "failed", "CANCELLED": "cancelled"}
REFUNDED_STATES = frozenset({"failed", "cancelled"})
"""A command that is refused at once costs nothing. One that fails later has been sent, and costs a call."""


@dataclass(kw_only=True)
class SentCommand:
    """A command as its sender knows it. `answers` counts the statuses, 0 for a lost connection."""

    user: str
    key: str
    answers: Counter[int]
    record: dict[str, Any] | None = None


class CommandSender:
    """Sends commands to random vehicles in a thread. An attempt without an answer is repeated with the same key."""

    def __init__(self, cluster: Cluster, accounts: Sequence[Account], generator: random.Random) -> None:
        self._cluster, self._accounts, self._random = cluster, accounts, generator
        self.commands: list[SentCommand] = []
        self._finish_requested = threading.Event()
        self._thread = threading.Thread()

    def start(self) -> None:
        self._finish_requested.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """End the thread after its current command."""
        self._finish_requested.set()
        self._thread.join()

    def send(self, account: Account, vehicle_id: str, action: str, servers: Sequence[str]) -> SentCommand:
        """Send a command, to each of `servers` in turn until one gives a final answer."""
        command = SentCommand(user=account.user, key=secrets.token_hex(8), answers=Counter())
        self.commands.append(command)
        headers = account.headers | {"Idempotency-Key": command.key}
        for attempt in range(ATTEMPTS_PER_COMMAND):
            url = f"{servers[attempt % len(servers)]}/api/ha/v2/vehicles/{vehicle_id}/charging"
            try:
                response = httpx.post(url, headers=headers, json={"action": action}, timeout=15)
            except httpx.TransportError:
                command.answers[0] += 1
            else:
                command.answers[response.status_code] += 1
                body = response.json()
                command.record = body if response.status_code == 202 else body.get("command")
                if command.record is not None or response.status_code == 404:  # the vehicle is gone
                    return command
            time.sleep(SECONDS_BETWEEN_ATTEMPTS)  # also after `finish`: both servers may be starting
        return command

    def _run(self) -> None:
        while not self._finish_requested.is_set():
            account = self._random.choice(self._accounts)
            if vehicle_ids := sorted(account.stream.vehicles):
                servers = self._random.sample(self._cluster.urls, len(self._cluster.urls))
                self.send(account, self._random.choice(vehicle_ids), self._random.choice(("START", "STOP")), servers)
            self._finish_requested.wait(self._random.uniform(*SECONDS_BETWEEN_COMMANDS))


LIST_COMMANDS = """
select user_id::text, idempotency_key, id::text, state, enode_action_id, settled_at is not null
from evconduit.commands where user_id = any (%s::uuid[])
"""
COUNT_CHARGES = """
select u.id::text, count(p.id) filter (where p.endpoint = 'v2/charging' and p.refunded_at is null),
       count(p.id) filter (where p.refunded_at is null),
       (select coalesce(sum(m.used), 0) from evconduit.usage_months m where m.user_id = u.id)
from evconduit.users u left join evconduit.poll_logs p on p.user_id = u.id where u.id = any (%s::uuid[]) group by u.id
"""


def wait_until_sent_are_settled(connection: psycopg.Connection, users: list[str]) -> None:
    """Wait until every command that Enode has answered has a final state."""
    _wait_until_settled(connection, "enode_action_id is not null", users)


def wait_until_older_are_settled(connection: psycopg.Connection, users: list[str], sent_before: datetime) -> None:
    """Wait until every command from before this time has a final state, also if nobody knows what became of it."""
    _wait_until_settled(connection, "requested_at < %s", users, sent_before)


def _wait_until_settled(connection: psycopg.Connection, condition: str, users: list[str], *parameters: object) -> None:
    statement = f"""
    select id, kind, state, enode_action_id, requested_at from evconduit.commands
    where settled_at is null and user_id = any (%s::uuid[]) and {condition}
    """

    def list_open() -> list[tuple[Any, ...]]:
        return connection.execute(statement, [users, *parameters]).fetchall()

    wait_until(lambda: not list_open(), missing=lambda: f"a final state of the commands {list_open()}")


def check_commands(
    connection: psycopg.Connection, truth: GroundTruth, sent: Sequence[SentCommand], users: list[str]
) -> None:
    """Each command exists once, has the outcome that Enode has, and was charged at most once."""
    rows = connection.execute(LIST_COMMANDS, [users]).fetchall()
    by_key = Counter(row[1] for row in rows)
    assert set(by_key.values()) <= {1}
    answered = [command for command in sent if command.record is not None]
    assert answered
    ids_by_key = {row[1]: row[2] for row in rows}
    assert {c.key: c.record["id"] for c in answered if c.record} == {c.key: ids_by_key.get(c.key) for c in answered}
    for user, _key, command_id, state, action_id, is_settled in rows:
        expected = STATES_BY_ENODE_STATE.get(truth.action_states.get(action_id, ""))
        if is_settled and expected is not None:
            assert state == expected, (user, command_id, action_id)
    charges = connection.execute(COUNT_CHARGES, [users]).fetchall()
    for user, charged, all_charged, used in charges:
        states = Counter(state for row_user, _key, _id, state, *_ in rows if row_user == user)
        at_least = sum(count for state, count in states.items() if state not in REFUNDED_STATES)
        assert at_least <= charged <= states.total(), (user, charged, states)
        assert used == all_charged, user
