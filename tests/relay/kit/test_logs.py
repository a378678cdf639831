"""What an exception says may quote what it was about: where it happened is enough for a log."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, sys
from relay.kit.logs import configure_logging

VIN, ADDRESS = sys.argv[2:]
configure_logging("info")
log = logging.getLogger(sys.argv[1])

def mislaid():
    try:
        {}[VIN]
    except KeyError as error:
        raise ExceptionGroup(ADDRESS, [OSError(VIN)]) from error

try:
    mislaid()
except ExceptionGroup:
    log.exception("unexpected")
log.error("plain", exc_info=sys.exc_info())
"""


@pytest.mark.parametrize("logger", ["relay.kit.problems", "uvicorn.error", "asyncio", "procrastinate.worker"])
def test_a_traceback_tells_where_and_what_kind_and_nothing_that_the_error_quotes(tmp_path, logger):
    program: Path = tmp_path / "program.py"
    program.write_text(PROGRAM)
    quoted = ["5YJ3E1EA7KF317000", "kim@example.org"]
    done = subprocess.run(
        [sys.executable, str(program), logger, *quoted], capture_output=True, text=True, timeout=60, check=True
    )
    said = done.stderr
    assert [it for it in quoted if it in said] == []
    assert "unexpected" in said
    assert {"KeyError", "OSError", "ExceptionGroup"} <= set(said.split())
    assert f'File "{program}"' in said
    assert "in mislaid" in said
    assert said.rstrip().endswith("plain")
