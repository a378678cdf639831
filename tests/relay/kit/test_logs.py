"""Tracebacks in the log contain the location and the type of an exception, never its message, which may quote data."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

PROGRAM = """
import logging, sys
from relay.kit.logs import configure_logging

VIN, ADDRESS = sys.argv[2:]
configure_logging("info")
log = logging.getLogger(sys.argv[1])

def look_up():
    try:
        {}[VIN]
    except KeyError as error:
        raise ExceptionGroup(ADDRESS, [OSError(VIN)]) from error

try:
    look_up()
except ExceptionGroup:
    log.exception("unexpected")
log.error("plain", exc_info=sys.exc_info())
"""


@pytest.mark.parametrize("logger", ["relay.kit.problems", "uvicorn.error", "asyncio", "procrastinate.worker"])
def test_traceback_has_location_and_type_but_not_the_message(tmp_path, logger):
    program: Path = tmp_path / "program.py"
    program.write_text(PROGRAM)
    secrets = ["5YJ3E1EA7KF317000", "kim@example.org"]
    process = subprocess.run(
        [sys.executable, str(program), logger, *secrets], capture_output=True, text=True, timeout=60, check=True
    )
    output = process.stderr
    assert [secret for secret in secrets if secret in output] == []
    assert "unexpected" in output
    assert {"KeyError", "OSError", "ExceptionGroup"} <= set(output.split())
    assert f'File "{program}"' in output
    assert "in look_up" in output
    assert output.rstrip().endswith("plain")


@pytest.mark.parametrize(("zone", "offset"), [("UTC", "+00:00"), ("Asia/Kolkata", "+05:30")])
def test_time_of_a_line_has_its_offset_from_utc(tmp_path, zone, offset):
    program = "import logging; from relay.kit.logs import configure_logging as c; c('info'); logging.error('x')"
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, env={"TZ": zone}
    )
    moment = datetime.fromisoformat(process.stderr.split(" ")[0])
    assert process.stderr.split(" ")[0].endswith(offset)
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 600


def test_text_from_outside_can_not_begin_another_line():
    program = (
        "import logging; from relay.kit.logs import configure_logging as c; c('info');"
        r"logging.error('vendor=%s', 'A\n2026-01-01 forged\r\x1b[2J\u2028\x9b end')"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True).stderr
    assert output.decode().rstrip("\n").isprintable()
    assert rb"vendor=A\n2026-01-01 forged\r\x1b[2J\u2028\x9b end" in output


DATABASE_PROGRAM = """
import logging, sys
import psycopg
from relay.kit.logs import configure_logging

configure_logging("info")
log = logging.getLogger(sys.argv[1])

def fail(error):
    try:
        try:
            raise error(sys.argv[2])
        except error as cause:
            raise ExceptionGroup("", [RuntimeError(sys.argv[2])]) from cause
    except ExceptionGroup:
        log.exception("job failed\\nin two lines")

fail(psycopg.errors.AdminShutdown)
fail(psycopg.errors.UniqueViolation)
"""


@pytest.mark.parametrize("logger", ["relay.worker", "uvicorn.error", "asyncio", "procrastinate.worker"])
def test_lost_database_is_one_line_and_any_other_error_has_a_traceback(tmp_path, logger):
    program: Path = tmp_path / "program.py"
    program.write_text(DATABASE_PROGRAM)
    process = subprocess.run(
        [sys.executable, str(program), logger, "kim@example.org"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, *others = process.stderr.splitlines()
    assert first.endswith(f"ERROR   {logger}: job failed error=AdminShutdown")
    assert others[0].endswith(rf"{logger}: job failed\nin two lines")
    assert "UniqueViolation" in others
    assert "kim@example.org" not in process.stderr
