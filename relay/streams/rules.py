"""Limits and intervals of the streams, such as the heartbeat interval."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamRules:
    """Limits and intervals of streams."""

    max_streams_per_user: int = 5
    sweep_interval: timedelta = timedelta(seconds=5)
    heartbeat_interval: timedelta = timedelta(seconds=15)
    recheck_interval: timedelta = timedelta(seconds=25)
    # Between a recheck and the next one that another process requested, so that forged requests cost little.
    min_recheck_interval: timedelta = timedelta(seconds=1)
    # A client that accepts no data for this long is dropped.
    send_timeout: timedelta = timedelta(seconds=30)
    # A reader that is further behind is dropped; it resumes with a snapshot, which is shorter.
    max_backlog_bytes: int = 1024 * 1024
    # After a restart, clients reconnect no faster than this, because each costs the relay a snapshot. All of them are
    # back within `max_reconnect_delay`: after two minutes without a stream, they begin to poll.
    reconnects_per_second: int = 50
    max_reconnect_delay: timedelta = timedelta(seconds=90)
