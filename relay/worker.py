"""What acts on the database's queues, in any number of processes; what is done once is done by the one that leads."""

import asyncio
import logging
import signal
from functools import partial
from uuid import UUID

from relay.kit.alert import post_alert
from relay.kit.background import run_in_background
from relay.kit.leader_election import LeaderElection
from relay.kit.timestamps import format_timestamp
from relay.process import ENODE_ACCOUNT_ID, VERSION, BackgroundLoops, Process, open_process
from relay.settings import Settings
from relay.usecases.account.delete_account import DELETE_ACCOUNT_JOB, resume_deletion, run_deletion_loop
from relay.usecases.commands.check_outcome import check_command, run_stale_command_loop
from relay.usecases.commands.send_command import CHECK_COMMAND_JOB
from relay.usecases.endpoints.deliver_to_endpoints import Deliverer, DeliveryRules
from relay.usecases.events.apply_enode_event import apply_enode_event
from relay.usecases.events.drain_inbox import InboxDrainer
from relay.usecases.events.fetch_interventions import run_intervention_fetch_loop
from relay.usecases.events.poll_enode import EnodePoller
from relay.usecases.operations.ensure_webhook_subscription import (
    CHECK_INTERVAL,
    SANDBOX_CHECK_INTERVAL,
    DesiredWebhookSubscription,
    run_webhook_subscription_loop,
)
from relay.usecases.operations.monitor_webhook_health import Alert, WebhookMonitor
from relay.usecases.operations.prune_history import run_pruning_loop
from relay.usecases.vehicles.limit_vehicles import run_vehicle_limit_loop

log = logging.getLogger(__name__)


def build_worker_loops(process: Process) -> BackgroundLoops:
    """The work of a worker beside what every process does."""
    runtime = process.runtime
    apply = partial(apply_enode_event, plans=runtime.plans)
    drain = InboxDrainer(runtime.pool, wake=runtime.feed_waker.wake, vin_key=runtime.secret_key, apply_event=apply)
    process.inbox_waker.add_callback(drain.add_hint)

    async def run_command_check(command_id: str, number: int) -> None:
        await check_command(runtime, UUID(command_id), number)

    async def run_account_deletion(user_id: str) -> None:
        await resume_deletion(runtime, UUID(user_id))

    runtime.jobs.register(CHECK_COMMAND_JOB, run_command_check)
    runtime.jobs.register(DELETE_ACCOUNT_JOB, run_account_deletion)
    deliverer = Deliverer(
        runtime.pool,
        runtime.outbound,
        secret_key=runtime.secret_key,
        version=VERSION,
        rules=DeliveryRules(plans=runtime.plans),
    )
    runtime.feed_waker.add_callback(deliverer.add_hint)
    election = LeaderElection(process.conninfo, build_leader_loops(process))
    return {
        "drain": drain.run,
        "deliveries": deliverer.run,
        "timers": runtime.jobs.run,
        "what is done once": election.run,
    }


def build_leader_loops(process: Process) -> BackgroundLoops:
    """What one process of the cluster does for all."""
    settings, runtime = process.settings, process.runtime
    work: BackgroundLoops = {
        "pruning": partial(run_pruning_loop, runtime.pool, settings.retention),
        "forgotten commands": partial(run_stale_command_loop, runtime),
        "accounts to delete": partial(run_deletion_loop, runtime),
        "linked-vehicle limits": partial(run_vehicle_limit_loop, runtime),
    }
    if runtime.enode is None:
        return work
    work["interventions"] = partial(run_intervention_fetch_loop, runtime)
    poller = EnodePoller(runtime.pool, runtime.enode, account_id=ENODE_ACCOUNT_ID, wake=process.inbox_waker.wake)
    if settings.webhook_url is None:
        process.poll_waker.add_callback(lambda _hint: poller.request_poll())
        work["polling"] = poller.run
    elif settings.enode_webhook_secret is not None:
        watch = WebhookMonitor(
            runtime.pool,
            account_id=ENODE_ACCOUNT_ID,
            max_silence=settings.webhook_silence,
            send_alert=partial(send_operator_alert, settings),
            reconcile=poller.poll_once,
        )
        wanted = DesiredWebhookSubscription(
            account_id=ENODE_ACCOUNT_ID,
            url=str(settings.webhook_url),
            secret=settings.enode_webhook_secret.get_secret_value(),
        )
        every = SANDBOX_CHECK_INTERVAL if settings.is_sandbox else CHECK_INTERVAL
        work["webhook subscription"] = partial(
            run_webhook_subscription_loop,
            runtime.pool,
            runtime.enode,
            wanted,
            check_interval=every,
            on_check=watch.request_check,
        )
        work["webhook watch"] = watch.run
    return work


async def send_operator_alert(settings: Settings, alert: Alert) -> bool:
    """Where EVCONDUIT_ALERT_URL says; whether it got through."""
    url = None if settings.alert_url is None else str(settings.alert_url)
    return await post_alert(url, {"text": alert.text, "state": alert.state, "since": format_timestamp(alert.since)})


def run_worker(settings: Settings, conninfo: str) -> None:
    """Work until SIGINT or SIGTERM."""
    asyncio.run(_run_until_signal(settings, conninfo))


async def _run_until_signal(settings: Settings, conninfo: str) -> None:
    asked_to_end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_end.set)
    async with (
        open_process(settings, conninfo) as process,
        run_in_background({**process.loops, **build_worker_loops(process)}),
    ):
        log.info("worker %s is ready", VERSION)
        await asked_to_end.wait()
