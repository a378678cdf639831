"""An account with a row in every table that can know it, made from the catalogue: no table can be forgotten here.

Rows mean nothing: checks are dropped and triggers rest while they are written. But they hang together by their foreign
keys as real ones do, and each value that is made up is findable.
"""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

type Owner = psycopg.Connection[tuple[object, ...]]

COLUMNS = """
select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull and not a.atthasdef,
       a.attgenerated <> '' or a.attidentity <> '',
       (select f.relname from pg_constraint k join pg_class f on f.oid = k.confrelid
        where k.conrelid = c.oid and k.contype = 'f' and a.attnum = any (k.conkey) limit 1)
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'evconduit'::regnamespace and c.relkind = 'r'
order by c.relname, a.attnum
"""
# Columns that mean somebody, or something of theirs, without a foreign key that says so.
MEANS = {"user_id": "users", "vehicle_id": "vehicles", "credential_id": "api_keys", "enode_vehicle_id": "vehicle_links"}
CONSTANT = {"boolean": True, "timestamp with time zone": "2026-11-25T12:00:00Z", "date": "2026-11-25", "text[]": "{x}"}


@dataclass
class Column:
    name: str
    kind: str
    wanted: bool
    automatic: bool
    refers_to: str | None
    table: str

    def __post_init__(self) -> None:
        if self.refers_to is None and MEANS.get(self.name) != self.table:
            self.refers_to = MEANS.get(self.name)


@dataclass(kw_only=True)
class WholeAccount:
    """The user, the tables in which there is something of theirs, and what must not be found when they are gone."""

    user_id: UUID
    email: str
    tables: list[str] = field(default_factory=list)
    # The identifying value of each table's row.
    keys: dict[str, object] = field(default_factory=dict)
    secrets: list[bytes] = field(default_factory=list)

    @property
    def marks(self) -> list[str]:
        """What shows, anywhere in a row's text, that it is about this account."""
        return [self.email, *[str(key) for key in self.keys.values() if isinstance(key, (UUID, str))]]


def fill_account(owner: Owner) -> WholeAccount:
    """Write a user and all that can be theirs."""
    user_id = uuid4()
    whole = WholeAccount(user_id=user_id, email=f"{user_id.hex[:8]}@example.org")
    tables: dict[str, list[Column]] = {}
    for table, *column in owner.execute(COLUMNS).fetchall():
        tables.setdefault(str(table), []).append(Column(*column, table=str(table)))
    drop_checks(owner)
    owner.execute("set session_replication_role = replica")
    waiting = ["users", *[it for it in tables if it not in {"users", "deleted_users"}]]
    while ready := [it for it in waiting if _hangs_on_what_is_there(tables[it], whole, itself=it)]:
        for table in ready:
            _write(owner, table, tables[table], whole)
            waiting.remove(table)
    owner.execute("set session_replication_role = origin")
    return whole


def drop_checks(owner: Owner) -> None:
    checks = """
        select conrelid::regclass::text, conname from pg_constraint
        where contype = 'c' and conrelid <> 0 and connamespace = 'evconduit'::regnamespace
    """
    for table, check in owner.execute(checks).fetchall():
        where, name = sql.Identifier(*str(table).split(".")), sql.Identifier(str(check))
        owner.execute(sql.SQL("alter table {} drop constraint {}").format(where, name))


def _hangs_on_what_is_there(columns: list[Column], whole: WholeAccount, *, itself: str) -> bool:
    if itself == "users":
        return True
    others = {it.refers_to for it in columns if it.refers_to and it.refers_to != itself}
    return bool(others) and others <= whole.keys.keys()


def _write(owner: Owner, table: str, columns: list[Column], whole: WholeAccount) -> None:
    # What the user's own row refers to (the invitation that let several people in) is not the user's.
    own = {None, table} | ({it.refers_to for it in columns} if table == "users" else set())
    values = {
        it.name: _value(it, table, whole)
        for it in columns
        if not it.automatic and (it.wanted or it.refers_to not in own or it.name in {"id", "email", "raw"})
    }
    returned = next((it.name for it in columns if it.name in {"id", "enode_vehicle_id"}), columns[0].name)
    statement = sql.SQL("insert into evconduit.{} ({}) values ({}) returning {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join([sql.Placeholder()] * len(values)),
        sql.Identifier(returned),
    )
    row = owner.execute(statement, list(values.values())).fetchone()
    assert row is not None
    whole.keys[table] = row[0]
    whole.tables.append(table)
    whole.secrets += [it for it in values.values() if isinstance(it, bytes)]


def _value(column: Column, table: str, whole: WholeAccount) -> object:  # noqa: PLR0911 - one line for each kind
    if column.refers_to not in {None, table}:
        return whole.keys[str(column.refers_to)]
    if (table, column.name) == ("users", "id"):
        return whole.user_id
    if column.name == "email":
        return whole.email
    if column.kind == "uuid":
        return uuid4()
    if column.kind == "text":
        return f"text-{uuid4()}"
    if column.kind == "bytea":
        return f"secret-{uuid4()}".encode() + (f" {whole.user_id}".encode() if column.name == "raw" else b"")
    if column.kind == "jsonb":
        return "{}"
    return CONSTANT.get(column.kind, 1)


def traces(owner: Owner, marks: list[str]) -> dict[str, int]:
    """How many rows of each table, the jobs' tables too, show one of these marks."""
    tables = """
        select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('evconduit', 'procrastinate') and c.relkind = 'r'
    """
    found = {}
    for schema, table in owner.execute(tables).fetchall():
        # Bytes are shown in hexadecimal digits: what is written in them is looked for in the same.
        hexadecimal = [mark.encode().hex() for mark in marks]
        count = sql.SQL("select count(*) from {} t where t::text like any (%s)").format(
            sql.Identifier(str(schema), str(table))
        )
        row = owner.execute(count, [[f"%{it}%" for it in [*marks, *hexadecimal]]]).fetchone()
        if row and row[0]:
            found[str(table)] = int(str(row[0]))
    return found
