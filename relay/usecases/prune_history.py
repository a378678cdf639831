"""What has served its time goes: settled inbox rows, transitions told to nobody again, interventions no car names."""

import logging
from datetime import timedelta
from typing import LiteralString

from relay.kit.database import Connection

log = logging.getLogger(__name__)

AT_ONCE = 5000
"""Rows of one statement: short ones neither block anybody nor run into the time limit."""

_INBOX: LiteralString = """
delete from webhook_logs where id in (
    select id from webhook_logs where created_at < now() - %s and state = any (%s) limit %s)
"""
_TRANSITIONS: LiteralString = """
delete from transitions where (user_id, seq) in (
    select t.user_id, t.seq from transitions t where t.created_at < now() - %s
    and exists (select from transitions n where n.user_id = t.user_id and n.seq > t.seq and n.created_at < now() - %s)
    limit %s)
"""
# The newest of the old ones stays: by it a client that was away for longer learns that something was forgotten.
# One that a car names is fetched again every day.
_INTERVENTIONS: LiteralString = """
delete from interventions where (id, language) in (
    select id, language from interventions where fetched_at < now() - %s limit %s)
"""

SETTLED = timedelta(hours=72)
SET_ASIDE = timedelta(days=30)
# They are told again for 24 hours, and read a little later than that.
TOLD = timedelta(hours=25)
NAMED_BY_NOBODY = timedelta(days=30)


async def prune(connection: Connection) -> int:
    """Delete what is too old to be of use and return how many rows that were. What is pending stays however old."""
    gone = 0
    gone += await _delete(connection, _INBOX, SETTLED, ["done", "ignored"])
    gone += await _delete(connection, _INBOX, SET_ASIDE, ["set_aside"])
    gone += await _delete(connection, _TRANSITIONS, TOLD, TOLD)
    gone += await _delete(connection, _INTERVENTIONS, NAMED_BY_NOBODY)
    if gone:
        log.info("%d old rows deleted", gone)
    return gone


async def _delete(connection: Connection, statement: LiteralString, *parameters: object) -> int:
    gone = 0
    while True:
        rows = (await connection.execute(statement, [*parameters, AT_ONCE])).rowcount
        gone += rows
        if rows < AT_ONCE:
            return gone
