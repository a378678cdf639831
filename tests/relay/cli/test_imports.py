"""What a command imports. Importing the whole relay takes longer than most commands run."""

import json
import os
import subprocess
import sys

import pytest

REPORT_IMPORTS = """
import json, sys
from relay.cli import main
try:
    main()
except SystemExit as end:
    sys.stderr.write(json.dumps({"status": end.code or 0, "modules": list(sys.modules)}))
"""
# Each takes at least 50 ms to import, with what it imports itself.
SERVER_PACKAGES = {"fastapi", "starlette", "uvicorn", "jinja2", "prometheus_client", "procrastinate"}
CLIENT_PACKAGES = {"httpx", "httpcore", "redis", "supabase_auth", "jwt", "cryptography"}
DATABASE_PACKAGES = {"psycopg", "psycopg_pool", "asyncio"}


def list_imports(*arguments, **environment):
    """The modules that the process has imported when the command ends."""
    result = subprocess.run(
        [sys.executable, "-c", REPORT_IMPORTS, *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(result.stderr.splitlines()[-1])
    assert report["status"] == 0
    return set(report["modules"])


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["serve", "--help"], ["vehicle", "unlink", "--help"]])
def test_version_and_help_import_nothing_that_a_command_works_with(arguments):
    modules = list_imports(*arguments)
    assert not modules & {*SERVER_PACKAGES, *CLIENT_PACKAGES, *DATABASE_PACKAGES, "relay.settings"}


def test_version_does_not_import_what_renders_help():
    assert not list_imports("--version") & {"rich", "pydantic"}


@pytest.mark.parametrize("arguments", [["key", "list", "--user", "me@example.org"], ["invite", "list"]])
def test_commands_on_the_database_import_neither_the_server_nor_other_clients(operator, arguments):
    operator.run_checked("user", "add", "me@example.org")
    modules = list_imports(*arguments, **operator.environment)
    assert not modules & {*SERVER_PACKAGES, *CLIENT_PACKAGES, "rich"}
