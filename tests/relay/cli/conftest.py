"""Operators of a relay, with their `evconduit` command."""

import pytest

from tests.relay.support.command_line import CommandLine, CommandLineInThisProcess
from tests.relay.support.memory_folder import open_memory_folder


@pytest.fixture
def operator(tmp_path, database_url):
    """An operator with a migrated database, whose commands run in this process."""
    return CommandLineInThisProcess(tmp_path, DATABASE_URL=database_url)


@pytest.fixture
def new_operator(tmp_path):
    """An operator who has run nothing yet, without a database. Each command is a process."""
    with open_memory_folder(tmp_path) as folder:
        yield CommandLine(folder)
