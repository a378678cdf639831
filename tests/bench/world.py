"""What every bench stands on: a PostgreSQL of its own, server processes with their CPU and memory, users with cars."""

import asyncio
import itertools
import os
import resource
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
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
    """A process that serves HTTP on loopback, or only works."""

    process: subprocess.Popen[bytes]
    url: str

    @property
    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def resident_kib(self) -> int:
        """Memory in use."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


@dataclass
class Person:
    """An account with a key and a car."""

    id: UUID
    key: str = field(repr=False)
    enode_vehicle_id: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


class World:
    """One PostgreSQL with a fresh database for each bench, and the processes that run on it."""

    def __init__(self, folder: Path, conninfo: str) -> None:
        self.folder = folder
        self._owner = conninfo
        self._numbers = itertools.count(1)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("create database bench_template")
        apply_migrations(make_conninfo(conninfo, dbname="bench_template"))

    def database(self) -> str:
        """A migrated database that nobody has used."""
        name = f"bench_{next(self._numbers)}"
        with psycopg.connect(self._owner, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {} template bench_template").format(sql.Identifier(name)))
        return make_conninfo(self._owner, dbname=name)

    @asynccontextmanager
    async def relay(self, database: str, *command: str) -> AsyncIterator[Server]:
        """`evconduit serve …` or `evconduit work` on this database, ready."""
        environment = {
            "EVCONDUIT_DATA": str(self.folder / "data"),
            "DATABASE_URL": database,
            "ENODE_WEBHOOK_SECRET": SECRET,
            "EVCONDUIT_SECRET_KEY": "k" * 32,
            "EVCONDUIT_LOG_LEVEL": "warning",
            "EVCONDUIT_OUTBOUND_ALLOW": "127.0.0.0/8",
        }
        serves = command[0] == "serve"
        async with self._process([EVCONDUIT, *command], environment, "/api/health/ready" if serves else None) as it:
            yield it

    @asynccontextmanager
    async def module(self, name: str, database: str = "", **more: str) -> AsyncIterator[Server]:
        """`python -m NAME`, a floor or a peer, ready."""
        environment = {"BENCH_DATABASE": database, "BENCH_SECRET": SECRET, **more}
        async with self._process([sys.executable, "-m", name], environment, "/ready") as it:
            yield it

    @asynccontextmanager
    async def _process(
        self, command: list[str], environment: dict[str, str], ready: str | None
    ) -> AsyncIterator[Server]:
        port = free_port()
        given = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "EVCONDUIT_PORT": str(port),
            "BENCH_PORT": str(port),
        }
        process = subprocess.Popen(command, env=given | environment, cwd=ROOT, preexec_fn=many_files)
        server = Server(process, f"http://127.0.0.1:{port}")
        try:
            if ready is not None:
                await until_ready(server, ready)
            yield server
        finally:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, 30)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def open_world() -> Iterator[World]:
    """A world in a folder that is thrown away. Durable as in production: fsync stays on."""
    many_files()
    with tempfile.TemporaryDirectory(prefix="evconduit-bench-") as name:
        folder = Path(name)
        with EmbeddedPostgres(folder / "postgres").lease() as conninfo:
            yield World(folder, conninfo)


async def until_ready(server: Server, path: str) -> None:
    """Wait until it answers."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(START_SECONDS):
        while True:
            if server.process.poll() is not None:
                raise RuntimeError(f"a server ended at once, with status {server.process.returncode}")
            try:
                async with http.get(server.url + path) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def many_files() -> None:
    """Thousands of streams are thousands of sockets."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def people(database: str, count: int) -> list[Person]:
    """Accounts, written as plainly as can be."""
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("set search_path to evconduit")
        cursor.execute(
            "insert into users (email) select 'bench@example.org' from generate_series(1, %s) returning id", [count]
        )
        ids = [row[0] for row in cursor.fetchall()]
        cursor.execute("insert into feeds (user_id) select unnest(%s::uuid[])", [ids])
        found = [Person(it, generate_api_key(), f"enode-{secrets.token_hex(6)}") for it in ids]
        cursor.executemany(
            "insert into api_keys (user_id, name, key_hash, prefix) values (%s, 'bench', %s, 'evc_')",
            [(it.id, hash_secret(it.key)) for it in found],
        )
        connection.commit()
    return found
