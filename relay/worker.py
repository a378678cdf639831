"""The worker: processes the database's queues, in any number of processes. The leader also runs the singleton loops."""

import asyncio
import logging
import signal
from functools import partial
from uuid import UUID

from relay.gateways.enode import EnodeClient
from relay.kit.alert import post_alert
from relay.kit.background import BackgroundLoops, run_in_background
from relay.kit.database import Pool
from relay.kit.leader_election import LeaderElection
from relay.kit.timestamps import format_timestamp
from relay.process import ENODE_ACCOUNT_ID, VERSION, Process, open_process
from relay.settings import Settings
from relay.usecases.access.compare_identities import run_comparison_loop
from relay.usecases.account.delete_account import DELETE_ACCOUNT_JOB, resume_deletion, run_deletion_loop
from relay.usecases.charging.settle_counters import run_settling_loop
from relay.usecases.commands.check_outcome import CHECK_COMMAND_JOB, check_command, run_stale_command_loop
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
from relay.usecases.operations.monitor_clock import ClockMonitor
from relay.usecases.operations.monitor_webhook_health import Alert, WebhookMonitor
from relay.usecases.operations.prune_history import run_pruning_loop
from relay.usecases.vehicles.limit_vehicles import run_vehicle_limit_loop
from relay.usecases.vehicles.review_corrections import run_correction_review_loop

log = logging.getLogger(__name__)


def build_worker_loops(process: Process) -> BackgroundLoops:
    """Return the loops that a worker runs in addition to those of every process. Also registers callbacks and jobs."""
    runtime = process.runtime
    apply_event = partial(apply_enode_event, plans=runtime.plans)
    drainer = InboxDrainer(
        runtime.pool, wake=runtime.feed_waker.wake, vin_key=runtime.secret_key, apply_event=apply_event
    )
    process.inbox_waker.add_callback(drainer.add_hint)

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
        "inbox": drainer.run,
        "endpoint deliveries": deliverer.run,
        "jobs": runtime.jobs.run,
        "leader election": election.run,
    }


def build_leader_loops(process: Process) -> BackgroundLoops:
    """Return the loops that only the leader of all processes runs."""
    settings, runtime = process.settings, process.runtime
    loops: BackgroundLoops = {
        "history pruning": partial(run_pruning_loop, runtime.pool, settings.retention),
        "stale commands": partial(run_stale_command_loop, runtime),
        "account deletions": partial(run_deletion_loop, runtime),
        "vehicle limits": partial(run_vehicle_limit_loop, runtime),
        "correction reviews": partial(run_correction_review_loop, runtime),
        "clock": ClockMonitor(runtime.pool).run,
        "counter settling": partial(run_settling_loop, runtime),
    }
    if runtime.supabase_sign_in is not None:
        loops["supabase identities"] = partial(run_comparison_loop, runtime)
    if runtime.enode is None:
        return loops
    loops["interventions"] = partial(run_intervention_fetch_loop, runtime)
    poller = EnodePoller(runtime.pool, runtime.enode, account_id=ENODE_ACCOUNT_ID, wake=process.inbox_waker.wake)
    if settings.webhook_url is None:
        process.poll_waker.add_callback(lambda _hint: poller.request_poll())
        loops["enode polling"] = poller.run
    elif settings.enode_webhook_secret is not None:
        subscription = DesiredWebhookSubscription(
            account_id=ENODE_ACCOUNT_ID,
            url=str(settings.webhook_url),
            secret=settings.enode_webhook_secret.get_secret_value(),
            key=runtime.secret_key,
        )
        loops |= _build_webhook_loops(settings, runtime.pool, runtime.enode, poller, subscription)
    return loops


def _build_webhook_loops(
    settings: Settings, pool: Pool, enode: EnodeClient, poller: EnodePoller, subscription: DesiredWebhookSubscription
) -> BackgroundLoops:
    """Return the loops that maintain and monitor the webhook subscription at Enode."""
    monitor = WebhookMonitor(
        pool,
        account_id=ENODE_ACCOUNT_ID,
        max_silence=settings.webhook_silence,
        send_alert=partial(send_operator_alert, settings),
        reconcile=poller.poll_once,
    )
    maintain_subscription = partial(
        run_webhook_subscription_loop,
        pool,
        enode,
        subscription,
        check_interval=SANDBOX_CHECK_INTERVAL if settings.is_sandbox else CHECK_INTERVAL,
        on_check=monitor.request_check,
    )
    return {"webhook subscription": maintain_subscription, "webhook monitor": monitor.run}


async def send_operator_alert(settings: Settings, alert: Alert) -> bool:
    """Send an alert to EVCONDUIT_ALERT_URL; False if that failed."""
    url = None if settings.alert_url is None else str(settings.alert_url)
    return await post_alert(url, {"text": alert.text, "state": alert.state, "since": format_timestamp(alert.since)})


def run_worker(settings: Settings, conninfo: str) -> None:
    """Run a worker until SIGINT, SIGTERM or SIGHUP."""
    asyncio.run(_run_until_signal(settings, conninfo))


async def _run_until_signal(settings: Settings, conninfo: str) -> None:
    stop_requested = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop_requested.set)
    async with (
        open_process(settings, conninfo) as process,
        run_in_background({**process.loops, **build_worker_loops(process)}),
    ):
        log.info("worker ready version=%s", VERSION)
        await stop_requested.wait()
