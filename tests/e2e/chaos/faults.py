"""The table of faults, by the phase in which they are injected while events flow."""

import time
from concurrent.futures import Future, ThreadPoolExecutor

from tests.e2e.chaos.accounts import Account, link_cars, unlink_vendor
from tests.e2e.chaos.clock_faults import put_clock_back, put_clock_forward
from tests.e2e.chaos.cluster import SERVERS
from tests.e2e.chaos.commands import SentCommand
from tests.e2e.chaos.disk_faults import fill_disk
from tests.e2e.chaos.polling_faults import stop_webhooks
from tests.e2e.chaos.scenario import Fault, Run
from tests.e2e.processes import wait_until

EVENTS, FULL_DISK, CLOCK, POLLING = "events", "full disk", "clock", "polling"
REDIS_OUTAGE_CHANGES = 15
SECONDS_OF_SLOW_ENODE = 2.0
ATTEMPTS_TO_REACH_ENODE = 20
POLL_SECONDS = 0.02


def remove_and_relink_car(run: Run) -> None:
    """Remove a car from its vendor account, and link the account again once the relay has removed the car."""
    account = run.generator.choice(run.accounts)
    vehicle_id, record = run.generator.choice(sorted(account.stream.vehicles.items()))
    with run.changer.leave_out([record["vehicle"]["information"]["vin"]]):
        enode_id = run.changer.get_enode_id(record["vehicle"]["information"]["vin"])
        run.enode.http.delete(f"/_sim/vehicles/{enode_id}").raise_for_status()
        relink(run, account, {vehicle_id: enode_id})


def unlink_and_relink_vendor(run: Run) -> None:
    """Unlink all cars of an account through the relay, and link them again."""
    account = run.generator.choice(run.accounts)
    vins = {id_: record["vehicle"]["information"]["vin"] for id_, record in account.stream.vehicles.items()}
    with run.changer.leave_out(vins.values()):
        enode_ids = {vehicle_id: run.changer.get_enode_id(vin) for vehicle_id, vin in vins.items()}
        unlink_vendor(run.cluster, account, next(iter(vins)))
        relink(run, account, enode_ids)


def relink(run: Run, account: Account, former_ids: dict[str, str]) -> None:
    """Wait until the cars are gone, link them, and wait until they are back. `former_ids`: Enode's, by the relay's."""
    vehicles = account.stream.vehicles
    wait_until(
        lambda: not former_ids.keys() & account.stream.vehicles.keys(),
        missing=f"the removal of {former_ids} at {account.stream.name}, which has {sorted(vehicles)}",
    )
    link_cars(run.cluster, run.enode, account)

    def list_missing() -> list[str]:
        records = account.stream.vehicles
        return [
            vehicle_id
            for vehicle_id, enode_id in former_ids.items()
            if vehicle_id not in records
            or enode_id not in records[vehicle_id]["former_ids"]
            or records[vehicle_id]["vehicle"]["isReachable"] is None  # only `discovered` has arrived
        ]

    wait_until(lambda: not list_missing(), missing=lambda: f"the return of {list_missing()} at {account.stream.name}")


def kill_redis(run: Run) -> None:
    """Kill Redis, and start it again once a process has noticed and some changes were made."""
    redis = run.cluster.redis
    assert redis is not None
    for action, line in (
        (redis.stop, "wake-up connection lost, reconnecting transport=redis"),
        (redis.start, "wake-up listener connected transport=redis"),
    ):
        before = run.count_in_log(line)
        action()
        wait_until(lambda line=line, before=before: run.count_in_log(line) > before, missing=f"{line!r} in the log")
        run.wait_for_changes(REDIS_OUTAGE_CHANGES)


def hand_over_to_endpoints(run: Run) -> None:
    """Close the streams of the keys that have an endpoint too, until the endpoints have received news."""
    shared = [account.shared for account in run.accounts]
    for installation in shared:
        installation.pause()
    acknowledged = {installation.name: installation.acknowledged for installation in shared}

    def list_waiting() -> list[str]:
        return [
            installation.name for installation in shared if installation.acknowledged <= acknowledged[installation.name]
        ]

    wait_until(lambda: not list_waiting(), missing=lambda: f"POSTs to the endpoints of {list_waiting()}")
    connections = {installation.name: installation.connections for installation in shared}
    for installation in shared:
        installation.resume()
    wait_until(
        lambda: all(installation.connections > connections[installation.name] for installation in shared),
        missing="the streams of all shared keys after their pause",
    )


def kill_server_during_command(run: Run) -> None:
    """Kill a server while Enode takes its time to answer a command."""
    delay = {"method": "POST", "path": "/vehicles/*/charging", "times": 1, "delay": SECONDS_OF_SLOW_ENODE}
    run.sender.finish()  # otherwise another command may get the delay
    run.enode.http.post("/_sim/faults", json=delay).raise_for_status()
    name = run.generator.choice(SERVERS)
    sending = _send_to_enode(run, name)
    run.kill(name)
    command = sending.result()
    run.sender.start()
    assert command.answers[0], "the killed server answered the command"
    assert command.record is not None, f"the repeated request was not accepted: {command.answers}"


def _send_to_enode(run: Run, server: str) -> Future[SentCommand]:
    """Start to send a command to `server`, and return as soon as Enode has the request.

    The relay answers some commands itself: those for a car that has just been unlinked, or that has an open command.
    """
    urls = dict(zip(SERVERS, run.cluster.urls, strict=True))
    order = [urls.pop(server), *urls.values()]
    executor = ThreadPoolExecutor(1)
    answered: list[SentCommand] = []

    def is_at_enode() -> bool:
        return not run.enode.http.get("/_sim/faults").json()

    for _ in range(ATTEMPTS_TO_REACH_ENODE):
        account = run.generator.choice([account for account in run.accounts if account.stream.vehicles])
        vehicle_id = run.generator.choice(sorted(account.stream.vehicles))
        sending = executor.submit(run.sender.send, account, vehicle_id, "STOP", order)
        while not sending.done() and not is_at_enode():  # ends, because sending does
            time.sleep(POLL_SECONDS)
        if is_at_enode():
            return sending
        answered.append(sending.result())
    raise AssertionError(f"no command reached Enode: {[command.answers for command in answered]}")


FAULTS = (
    Fault(
        kind="relink",
        what="a car disappears from its vendor account and is linked again",
        phase=EVENTS,
        inject=remove_and_relink_car,
        holds="the car is removed at once, and comes back with its id and its former ids",
    ),
    Fault(
        kind="relink",
        what="a user unlinks a vendor account and links it again",
        phase=EVENTS,
        inject=unlink_and_relink_vendor,
        holds="all its cars are removed, and come back with their ids and their former ids",
    ),
    Fault(
        kind="commands",
        what="a server is killed while Enode answers a command",
        phase=EVENTS,
        inject=kill_server_during_command,
        holds="the repeated request finds the command; it is sent and charged once, and gets a final state",
    ),
    Fault(
        kind="redis",
        what="Redis is killed and comes back",
        phase=EVENTS,
        inject=kill_redis,
        holds="events still arrive, and the processes listen to Redis again",
    ),
    Fault(
        kind="shared key",
        what="streams end whose keys have endpoints, and come back",
        phase=EVENTS,
        inject=hand_over_to_endpoints,
        holds="the endpoints take over within a minute, and no transition is missing, repeated or out of order",
    ),
    Fault(
        kind="full disk",
        what="the disk of the database is full for a while",
        phase=FULL_DISK,
        inject=fill_disk,
        holds="deliveries get 503 with Retry-After within two seconds, and 200 soon after there is room",
    ),
    Fault(
        kind="clock",
        what="the clock jumps ahead by hours, and is put right",
        phase=CLOCK,
        inject=put_clock_forward,
        holds="commands whose outcome nobody knows are settled; nothing waits for the wrong time",
    ),
    Fault(
        kind="clock",
        what="the clock is an hour behind, and is put right",
        phase=CLOCK,
        inject=put_clock_back,
        holds="later reports count",
    ),
    Fault(
        kind="polling",
        what="Enode sends no webhooks, and the relay polls",
        phase=POLLING,
        inject=stop_webhooks,
        holds="every installation gets Enode's state with the next poll",
    ),
)
KINDS = tuple(dict.fromkeys(fault.kind for fault in FAULTS))
