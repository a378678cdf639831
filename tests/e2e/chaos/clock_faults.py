"""The clock of the relay and of its database is wrong for a while, and is put right."""

from datetime import UTC, datetime, timedelta

from tests.e2e.chaos.commands import wait_until_older_are_settled
from tests.e2e.chaos.scenario import Run
from tests.e2e.processes import wait_until

MIN_HOURS_AHEAD, MAX_HOURS_AHEAD = 1, 6
"""Longer than the relay waits for the outcome of a command, shorter than it trusts a car that says it charges."""
TIME_BEHIND = timedelta(hours=1)
CHANGES_MEANWHILE = 15
COUNT_PENDING = "select count(*) from evconduit.webhook_logs where state = 'pending' and user_id is not null"
FIND_FUTURE = """
select exists (select from evconduit.endpoints e where greatest(e.next_try_at, e.leased_until, e.streaming_until) > %s)
"""


def put_clock_forward(run: Run) -> None:
    """Set the clock ahead by hours, and right again after changes were delivered and delayed meanwhile."""
    error = timedelta(hours=run.generator.uniform(MIN_HOURS_AHEAD, MAX_HOURS_AHEAD))
    started_at = datetime.now(UTC)
    run.webhook_server.behaviors = ["fail"]  # the next attempt is then scheduled by the wrong clock
    set_clock(run, error)
    run.wait_for_changes(CHANGES_MEANWHILE)
    run.kill(run.generator.choice(("work 0", "work 1")))
    with run.cluster.connect() as connection:
        wait_until_older_are_settled(connection, run.users, started_at)
        in_future = datetime.now(UTC) + error / 2
        assert connection.execute(FIND_FUTURE, [in_future]).fetchone() == (True,), (
            "nothing was stored by the wrong clock"
        )
        change_clock(run, timedelta())
        # No line in the log is certain: a leader that takes over from the killed worker now saw no other time.
        wait_until(
            lambda: connection.execute(FIND_FUTURE, [in_future]).fetchone() == (False,),
            missing="correct times instead of those that the wrong clock stored",
        )
    run.webhook_server.behaviors = []


def put_clock_back(run: Run) -> None:
    """Set the clock behind, and right again after some changes.

    Nothing waits in the inbox at the jumps: an event that waits there has its true time, which is then in the future,
    and may be processed after a later one (decision 27).
    """
    for error in (-TIME_BEHIND, timedelta()):
        with run.changer.pause(), run.cluster.connect() as connection:
            wait_until(
                lambda: run.enode.http.get("/_sim/health").json()["pending_events"] == 0, missing="an idle Enode"
            )
            wait_until(
                lambda connection=connection: connection.execute(COUNT_PENDING).fetchone() == (0,),
                missing="an empty inbox",
            )
            set_clock(run, error)
        run.wait_for_changes(CHANGES_MEANWHILE)


def set_clock(run: Run, error: timedelta) -> None:
    """Set the clock, and wait until the leading worker has noticed."""
    noticed = run.count_in_log("clock was set by_seconds=")
    change_clock(run, error)
    wait_until(
        lambda: run.count_in_log("clock was set by_seconds=") > noticed,
        missing=f"a line about the clock, which was set to be wrong by {error}",
    )


def change_clock(run: Run, error: timedelta) -> None:
    """Set the clock so that it is wrong by `error`, and let the endpoints expect times that are."""
    clock = run.cluster.clock
    assert clock is not None
    for account in run.accounts:
        for endpoint in account.endpoints:
            endpoint.clock_error = max(endpoint.clock_error, abs(error.total_seconds()))
    clock.set(error)
