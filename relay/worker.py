"""What acts on the database's queues, in any number of processes; what is done once is done by the one that leads."""

import asyncio
import logging
import signal
from functools import partial
from uuid import UUID

from relay.kit.alert import post_alert
from relay.kit.election import Election
from relay.kit.supervise import background
from relay.kit.times import wire_time
from relay.process import ACCOUNT, VERSION, Process, Work, open_process
from relay.settings import Settings
from relay.usecases.apply_enode_event import apply_enode_event
from relay.usecases.check_command import check_command, check_forgotten_for_ever
from relay.usecases.command_charging import CHECK
from relay.usecases.delete_account import DELETE, delete_account, finish_deletions_for_ever
from relay.usecases.deliver_to_endpoints import Deliverer, DeliveryRules
from relay.usecases.drain_inbox import Drain
from relay.usecases.fetch_interventions import fetch_for_ever
from relay.usecases.keep_webhook_subscription import LOOK_EVERY, LOOK_EVERY_IN_SANDBOX, Wanted, keep_for_ever
from relay.usecases.limit_vehicles import limit_for_ever
from relay.usecases.poll_enode import Poller
from relay.usecases.prune_history import prune_for_ever
from relay.usecases.watch_webhook import Alert, WebhookWatch

log = logging.getLogger(__name__)


def worker_work(process: Process) -> Work:
    """The work of a worker beside what every process does."""
    runtime = process.runtime
    apply = partial(apply_enode_event, limits=runtime.vehicle_limits)
    drain = Drain(runtime.pool, wake=runtime.feed_waker.wake, vin_key=runtime.key, apply=apply)
    process.inbox_waker.subscribe(drain.hint)

    async def check(command_id: str, number: int) -> None:
        await check_command(runtime, UUID(command_id), number)

    async def delete(user_id: str) -> None:
        await delete_account(runtime, UUID(user_id))

    runtime.jobs.add(CHECK, check)
    runtime.jobs.add(DELETE, delete)
    deliverer = Deliverer(
        runtime.pool, runtime.outbound, key=runtime.key, version=VERSION, rules=DeliveryRules(plans=runtime.plans)
    )
    runtime.feed_waker.subscribe(deliverer.hint)
    election = Election(process.conninfo, leader_work(process))
    return {
        "drain": drain.run,
        "deliveries": deliverer.run,
        "timers": runtime.jobs.run,
        "what is done once": election.run,
    }


def leader_work(process: Process) -> Work:
    """What one process of the cluster does for all."""
    settings, runtime = process.settings, process.runtime
    work: Work = {
        "pruning": partial(prune_for_ever, runtime.pool, settings.retention),
        "forgotten commands": partial(check_forgotten_for_ever, runtime),
        "accounts to delete": partial(finish_deletions_for_ever, runtime),
        "linked-vehicle limits": partial(limit_for_ever, runtime),
    }
    if runtime.enode is None:
        return work
    work["interventions"] = partial(fetch_for_ever, runtime)
    poller = Poller(runtime.pool, runtime.enode, account_id=ACCOUNT, wake=process.inbox_waker.wake)
    if settings.webhook_url is None:
        process.look_waker.subscribe(lambda _hint: poller.nudge())
        work["polling"] = poller.run
    elif settings.enode_webhook_secret is not None:
        watch = WebhookWatch(
            runtime.pool,
            account_id=ACCOUNT,
            silence=settings.webhook_silence,
            tell=partial(tell_operator, settings),
            reconcile=poller.poll_once,
        )
        wanted = Wanted(
            account_id=ACCOUNT,
            url=str(settings.webhook_url),
            secret=settings.enode_webhook_secret.get_secret_value(),
        )
        every = LOOK_EVERY_IN_SANDBOX if settings.is_sandbox else LOOK_EVERY
        work["webhook subscription"] = partial(
            keep_for_ever, runtime.pool, runtime.enode, wanted, look_every=every, on_look=watch.nudge
        )
        work["webhook watch"] = watch.run
    return work


async def tell_operator(settings: Settings, alert: Alert) -> bool:
    """Where EVCONDUIT_ALERT_URL says; whether it got through."""
    url = None if settings.alert_url is None else str(settings.alert_url)
    return await post_alert(url, {"text": alert.text, "state": alert.state, "since": wire_time(alert.since)})


def run(settings: Settings, conninfo: str) -> None:
    """Work until SIGINT or SIGTERM."""
    asyncio.run(_run(settings, conninfo))


async def _run(settings: Settings, conninfo: str) -> None:
    asked_to_end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_end.set)
    async with open_process(settings, conninfo) as process, background({**process.work, **worker_work(process)}):
        log.info("worker %s is ready", VERSION)
        await asked_to_end.wait()
