"""The two logins of the embedded server: the owner, who migrates, and the relay, which owns nothing.

Each has a random password in a file of the cluster, and signs in with SCRAM. Older releases accepted every local user
without a password; such a cluster is converted when it is next used. Each step can be repeated, and the last one
writes a marker file: while that is missing, the next start does all of them again.
"""

import contextlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from relay.kit.database import RELAY_ROLE, SyncConnection
from relay.kit.errors import OperatorError
from relay.kit.private_files import replace_private_file

OWNER = "evconduit"
DATABASE = "evconduit"
SCRAM_ITERATIONS = 1
"""More would only slow down connections: iterations protect guessable passwords, and these have 256 random bits."""
SECRET_BYTES = 32
RELOAD_TIMEOUT_SECONDS = 30
ACCESS_RULES = """# Written by EVConduit. Changes are overwritten.
local all         all scram-sha-256
local replication all scram-sha-256
"""
RECOVERY_RULES = f"""# Written by EVConduit, for the moment in which it sets new passwords.
local all {OWNER} trust
"""


class EmbeddedLogins:
    """The logins of the cluster in the folder `data`. Everything but `is_set_up` needs a running server."""

    def __init__(self, data: Path) -> None:
        self.owner_secret_file = data / "evconduit-owner-secret"
        self._relay_secret_file = data / "evconduit-relay-secret"
        self._access_rules_file = data / "pg_hba.conf"
        self._marker_file = data / "evconduit-logins"

    def is_set_up(self) -> bool:
        """Whether both logins have their passwords, nobody can connect without one, and the database exists."""
        has_secrets = _read_secret(self.owner_secret_file) and _read_secret(self._relay_secret_file)
        has_rules = self._access_rules_file.read_text(encoding="utf-8") == ACCESS_RULES
        return bool(has_secrets) and has_rules and self._marker_file.exists()

    def can_sign_in(self, socket_folder: Path) -> bool:
        """Whether the server accepts both passwords. A restored file, or the relay's login itself, may change one."""
        return _can_connect(self.build_owner_conninfo(socket_folder)) and _can_connect(
            self.build_relay_conninfo(socket_folder)
        )

    def build_owner_conninfo(self, socket_folder: Path, database: str = DATABASE) -> str:
        """Return the owner's connection string, with its password. Don't keep it for longer than it is used."""
        password = _read_secret(self.owner_secret_file)
        return make_conninfo(host=str(socket_folder), user=OWNER, password=password, dbname=database)

    def build_relay_conninfo(self, socket_folder: Path) -> str:
        """Return the relay's connection string, with its password."""
        password = _read_secret(self._relay_secret_file)
        return make_conninfo(host=str(socket_folder), user=RELAY_ROLE, password=password, dbname=DATABASE)

    def set_up(self, socket_folder: Path, reload_server: Callable[[], object]) -> None:
        """Set both passwords, create the database if it is missing, and require passwords from then on."""
        self._marker_file.unlink(missing_ok=True)
        if _read_secret(self._relay_secret_file) is None:
            write_new_secret(self._relay_secret_file)
        with self._connect_as_owner(socket_folder, reload_server) as connection:
            connection.execute(f"set scram_iterations = {SCRAM_ITERATIONS}")
            _create_relay_login(connection)
            _set_password(connection, RELAY_ROLE, _read_secret(self._relay_secret_file))
            _set_password(connection, OWNER, _read_secret(self.owner_secret_file))
            if connection.execute("select from pg_database where datname = %s", [DATABASE]).fetchone() is None:
                connection.execute(f"create database {DATABASE}")
        replace_private_file(self._access_rules_file, ACCESS_RULES)
        reload_server()
        _wait_until(lambda: not _can_connect(make_conninfo(host=str(socket_folder), user=OWNER, dbname=DATABASE)))
        replace_private_file(self._marker_file, "")

    def _connect_as_owner(self, socket_folder: Path, reload_server: Callable[[], object]) -> SyncConnection:
        """Connect, with the owner's password if it is known, else with none: who owns the files may set a new one."""
        if _read_secret(self.owner_secret_file) is not None:
            with contextlib.suppress(psycopg.OperationalError):
                return psycopg.connect(self.build_owner_conninfo(socket_folder, "postgres"), autocommit=True)
        replace_private_file(self._access_rules_file, RECOVERY_RULES)
        write_new_secret(self.owner_secret_file)
        reload_server()
        conninfo = self.build_owner_conninfo(socket_folder, "postgres")
        _wait_until(lambda: _can_connect(conninfo))
        return psycopg.connect(conninfo, autocommit=True)


def write_new_secret(file: Path) -> None:
    """Write a random password to the file, which only its owner can read."""
    replace_private_file(file, secrets.token_hex(SECRET_BYTES))


def _create_relay_login(connection: SyncConnection) -> None:
    role = sql.Identifier(RELAY_ROLE)
    if connection.execute("select from pg_roles where rolname = %s", [RELAY_ROLE]).fetchone() is None:
        connection.execute(sql.SQL("create role {}").format(role))
    connection.execute(
        sql.SQL("alter role {} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls").format(role)
    )


def _set_password(connection: SyncConnection, role: str, password: str | None) -> None:
    """Set a password. Only its SCRAM verifier is sent, because the server may log statements."""
    assert password is not None  # noqa: S101 - the caller has written the file
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier)))


def _can_connect(conninfo: str) -> bool:
    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError:
        return False
    return True


def _wait_until(is_reached: Callable[[], bool]) -> None:
    """Wait until the server has read its access rules again, which takes moments."""
    deadline = time.monotonic() + RELOAD_TIMEOUT_SECONDS
    while not is_reached():
        if time.monotonic() > deadline:
            raise OperatorError("the embedded PostgreSQL doesn't read its access rules: restart the relay")
        time.sleep(0.01)


def _read_secret(file: Path) -> str | None:
    """Return the secret in a file; None if the file is missing or holds none."""
    try:
        text = file.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    return text if len(text) == 2 * SECRET_BYTES and text.isalnum() else None
