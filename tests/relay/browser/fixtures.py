"""The decorator for asynchronous fixtures of browser tests.

One Chromium serves all tests of a process, and its connection belongs to one event loop. So these tests and all their
asynchronous fixtures use the event loop of the session. conftest.py sets that for the tests.
"""

from functools import partial

import pytest_asyncio

async_fixture = partial(pytest_asyncio.fixture, loop_scope="session")
