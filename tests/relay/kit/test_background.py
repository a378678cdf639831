"""Background loops: what is logged when one fails. A dying database is one line per failure."""

import asyncio
import logging
from contextlib import suppress

import procrastinate
import psycopg
import pytest

from relay.kit.background import run_with_restarts
from relay.kit.errors import OperatorError
from tests.relay.support.feed import run_in_background, wait_until


def wrap(error):
    """The error as procrastinate passes it on: as the cause of its own, within a task group."""
    try:
        try:
            raise error
        except psycopg.Error as cause:
            raise procrastinate.exceptions.ConnectorException from cause
    except procrastinate.exceptions.ConnectorException as outer:
        return ExceptionGroup("unhandled errors in a TaskGroup", [ValueError("other"), outer])


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (psycopg.OperationalError("secret"), "OperationalError"),
        (wrap(psycopg.errors.AdminShutdown("secret")), "AdminShutdown"),
        (wrap(psycopg.errors.UniqueViolation("secret")), "UniqueViolation"),
        (OperatorError("the embedded PostgreSQL's pg_ctl failed"), "the embedded PostgreSQL's pg_ctl failed"),
    ],
)
async def test_failure_of_the_database_is_one_line_without_a_traceback(caplog, error, shown):
    [record] = await run_failing_loop(caplog, error)
    assert record.getMessage() == f"background loop failed and is restarted loop='jobs' error={shown}"
    assert record.exc_info is None


async def test_any_other_failure_is_logged_with_its_traceback(caplog):
    [record] = await run_failing_loop(caplog, KeyError("x"))
    assert record.exc_info[0] is KeyError


async def run_failing_loop(caplog, error):
    """Run a loop that fails at once, until that is logged."""
    caplog.set_level(logging.ERROR)

    async def fail():
        await asyncio.sleep(0)
        raise error

    async with run_in_background(run_with_restarts("jobs", fail, initial_delay=60)):
        with suppress(TimeoutError):
            await wait_until(lambda: caplog.records)
    return caplog.records
