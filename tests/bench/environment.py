"""The environment of the benchmarks: a PostgreSQL, server processes with CPU and memory figures, test accounts."""

import asyncio
import itertools
import os
import resource
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import aiohttp
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from relay.identity.credentials import generate_api_key, hash_secret
from relay.kit.embedded_postgres import EmbeddedPostgres
from relay.kit.migrations import apply_migrations

START_SECONDS = 60.0
SECRET = "the webhook secret of the bench"
TICKS = os.sysconf("SC_CLK_TCK")
EVCONDUIT = str(Path(sys.executable).with_name("evconduit"))
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Server:
    """A process that serves HTTP on loopback, or a worker."""

    process: subprocess.Popen[bytes]
    url: str

    @property
    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def resident_kib(self) -> int:
        """Resident memory in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


@dataclass
class Account:
    """A user with an API key and a vehicle."""

    id: UUID
    key: str = field(repr=False)
    enode_vehicle_id: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


class Environment:
    """A PostgreSQL with a new database for each benchmark, and the processes that use it.

    If `reuse` is set, benchmarks share a database and its processes. They start faster, but the figures are worthless.
    """

    def __init__(self, folder: Path, conninfo: str, *, reuse: bool) -> None:
        self.folder = folder
        self._owner = conninfo
        self._reuse = reuse
        self._shared_database: str | None = None
        self._idle_servers: dict[str, list[Server]] = {}
        self._exit_stack = AsyncExitStack()
        self._numbers = itertools.count(1)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("create database bench_template")
        apply_migrations(make_conninfo(conninfo, dbname="bench_template"))

    async def stop(self) -> None:
        """Stop the processes that were kept for reuse."""
        await self._exit_stack.aclose()

    def create_database(self, *, shared: bool = True) -> str:
        """Create a migrated, empty database and return its connection string.

        With `shared`, an environment that reuses databases returns the same one again.
        """
        if self._reuse and shared:
            self._shared_database = self._shared_database or self._copy_template()
            return self._shared_database
        return self._copy_template()

    def _copy_template(self) -> str:
        name = f"bench_{next(self._numbers)}"
        with psycopg.connect(self._owner, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {} template bench_template").format(sql.Identifier(name)))
        return make_conninfo(self._owner, dbname=name)

    @asynccontextmanager
    async def run_relay(self, database: str, *command: str) -> AsyncIterator[Server]:
        """Run `evconduit serve …` or `evconduit work` on this database, and wait until a server is ready."""
        variables = {
            "EVCONDUIT_DATA": str(self.folder / "data"),
            "DATABASE_URL": database,
            "ENODE_WEBHOOK_SECRET": SECRET,
            "EVCONDUIT_SECRET_KEY": "k" * 32,
            "EVCONDUIT_LOG_LEVEL": "warning",
            "EVCONDUIT_OUTBOUND_ALLOW": "127.0.0.0/8",
        }
        ready_path = "/api/health/ready" if command[0] == "serve" else None
        async with self._run_process([EVCONDUIT, *command], variables, ready_path) as server:
            yield server

    @asynccontextmanager
    async def run_module(self, name: str, database: str = "", **more: str) -> AsyncIterator[Server]:
        """Run `python -m NAME`, a floor or a peer, and wait until it is ready."""
        variables = {"BENCH_DATABASE": database, "BENCH_SECRET": SECRET, **more}
        async with self._run_process([sys.executable, "-m", name], variables, "/ready") as server:
            yield server

    @asynccontextmanager
    async def _run_process(
        self, command: list[str], variables: dict[str, str], ready_path: str | None
    ) -> AsyncIterator[Server]:
        if not self._reuse or ready_path is None:  # a worker must not process what another benchmark counts
            async with self._start_process(command, variables, ready_path) as server:
                yield server
            return
        idle = self._idle_servers.setdefault(repr((command, variables)), [])
        server = (
            idle.pop()
            if idle
            else await self._exit_stack.enter_async_context(self._start_process(command, variables, ready_path))
        )
        yield server
        idle.append(server)

    @asynccontextmanager
    async def _start_process(
        self, command: list[str], variables: dict[str, str], ready_path: str | None
    ) -> AsyncIterator[Server]:
        port = find_free_port()
        common_variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "EVCONDUIT_PORT": str(port),
            "BENCH_PORT": str(port),
        }
        process = subprocess.Popen(command, env=common_variables | variables, cwd=ROOT, preexec_fn=raise_file_limit)
        server = Server(process, f"http://127.0.0.1:{port}")
        try:
            if ready_path is not None:
                await wait_until_ready(server, ready_path)
            yield server
        finally:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, 30)
            except subprocess.TimeoutExpired:
                process.kill()


@asynccontextmanager
async def open_environment(*, reuse: bool = False) -> AsyncIterator[Environment]:
    """Yield an environment in a temporary folder. As in production, fsync is on."""
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="evconduit-bench-") as name:
        folder = Path(name)
        with EmbeddedPostgres(folder / "postgres").lease() as conninfo:
            environment = Environment(folder, conninfo, reuse=reuse)
            try:
                yield environment
            finally:
                await environment.stop()


async def wait_until_ready(server: Server, path: str) -> None:
    """Poll `path` until it returns 200. Raises if the process exits."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(START_SECONDS):
        while True:
            if server.process.poll() is not None:
                raise RuntimeError(f"a server exited during start with status {server.process.returncode}")
            try:
                async with http.get(server.url + path) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


def find_free_port() -> int:
    """Return an unused port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def raise_file_limit() -> None:
    """Raise the limit of open files to the maximum, for thousands of sockets."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))


def create_accounts(database: str, count: int) -> list[Account]:
    """Insert accounts with feeds and keys directly into the database."""
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("set search_path to evconduit")
        cursor.execute(
            "insert into users (email) select 'bench@example.org' from generate_series(1, %s) returning id", [count]
        )
        ids = [row[0] for row in cursor.fetchall()]
        cursor.execute("insert into feeds (user_id) select unnest(%s::uuid[])", [ids])
        accounts = [Account(user_id, generate_api_key(), f"enode-{secrets.token_hex(6)}") for user_id in ids]
        cursor.executemany(
            "insert into api_keys (user_id, name, key_hash, prefix) values (%s, 'bench', %s, 'evc_')",
            [(account.id, hash_secret(account.key)) for account in accounts],
        )
        connection.commit()
    return accounts
