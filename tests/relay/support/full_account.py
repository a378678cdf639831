"""An account with a row in every table that can refer to it, generated from the database catalogue.

So no new table can be forgotten. The rows have valid foreign keys and findable values, but no meaning: check
constraints are dropped, and triggers are disabled while the rows are inserted.
"""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

type Owner = psycopg.Connection[tuple[object, ...]]

LIST_COLUMNS = """
select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull and not a.atthasdef,
       a.attgenerated <> '' or a.attidentity <> '',
       (select f.relname from pg_constraint k join pg_class f on f.oid = k.confrelid
        where k.conrelid = c.oid and k.contype = 'f' and a.attnum = any (k.conkey) limit 1)
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'evconduit'::regnamespace and c.relkind = 'r'
order by c.relname, a.attnum
"""
# Tables that columns of these names refer to, also without a foreign key.
IMPLICIT_REFERENCES = {
    "user_id": "users",
    "vehicle_id": "vehicles",
    "credential_id": "api_keys",
    "enode_vehicle_id": "vehicle_links",
}
CONSTANT_VALUES = {
    "boolean": True,
    "timestamp with time zone": "2026-11-25T12:00:00Z",
    "date": "2026-11-25",
    "text[]": "{x}",
}


@dataclass
class Column:
    name: str
    kind: str
    is_required: bool
    is_generated: bool
    refers_to: str | None
    table: str

    def __post_init__(self) -> None:
        if self.refers_to is None and IMPLICIT_REFERENCES.get(self.name) != self.table:
            self.refers_to = IMPLICIT_REFERENCES.get(self.name)


@dataclass(kw_only=True)
class FullAccount:
    """A user with the tables that have rows of theirs, and values that must not be found after the deletion."""

    user_id: UUID
    email: str
    tables: list[str] = field(default_factory=list)
    # Key of the row in each table.
    keys: dict[str, object] = field(default_factory=dict)
    secrets: list[bytes] = field(default_factory=list)

    @property
    def marks(self) -> list[str]:
        """Values that identify the account when they occur anywhere in the text of a row."""
        return [self.email, *[str(key) for key in self.keys.values() if isinstance(key, (UUID, str))]]


def fill_account(owner: Owner) -> FullAccount:
    """Insert a user and a row in every table that can refer to one."""
    user_id = uuid4()
    account = FullAccount(user_id=user_id, email=f"{user_id.hex[:8]}@example.org")
    tables: dict[str, list[Column]] = {}
    for table, *column in owner.execute(LIST_COLUMNS).fetchall():
        tables.setdefault(str(table), []).append(Column(*column, table=str(table)))
    drop_check_constraints(owner)
    owner.execute("set session_replication_role = replica")
    pending = ["users", *[table for table in tables if table not in {"users", "deleted_users"}]]
    while ready := [table for table in pending if _has_referenced_rows(tables[table], account, own_table=table)]:
        for table in ready:
            _insert_row(owner, table, tables[table], account)
            pending.remove(table)
    owner.execute("set session_replication_role = origin")
    return account


def drop_check_constraints(owner: Owner) -> None:
    checks = """
        select conrelid::regclass::text, conname from pg_constraint
        where contype = 'c' and conrelid <> 0 and connamespace = 'evconduit'::regnamespace
    """
    for table, check in owner.execute(checks).fetchall():
        where, name = sql.Identifier(*str(table).split(".")), sql.Identifier(str(check))
        owner.execute(sql.SQL("alter table {} drop constraint {}").format(where, name))


def _has_referenced_rows(columns: list[Column], account: FullAccount, *, own_table: str) -> bool:
    if own_table == "users":
        return True
    others = {column.refers_to for column in columns if column.refers_to and column.refers_to != own_table}
    return bool(others) and others <= account.keys.keys()


def _insert_row(owner: Owner, table: str, columns: list[Column], account: FullAccount) -> None:
    # A row that the user's own row refers to, such as a shared invitation, isn't the user's.
    own = {None, table} | ({column.refers_to for column in columns} if table == "users" else set())
    values = {
        column.name: _make_value(column, table, account)
        for column in columns
        if not column.is_generated
        and (column.is_required or column.refers_to not in own or column.name in {"id", "email", "raw"})
    }
    returned = next((column.name for column in columns if column.name in {"id", "enode_vehicle_id"}), columns[0].name)
    statement = sql.SQL("insert into evconduit.{} ({}) values ({}) returning {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join([sql.Placeholder()] * len(values)),
        sql.Identifier(returned),
    )
    row = owner.execute(statement, list(values.values())).fetchone()
    assert row is not None
    account.keys[table] = row[0]
    account.tables.append(table)
    account.secrets += [value for value in values.values() if isinstance(value, bytes)]


def _make_value(column: Column, table: str, account: FullAccount) -> object:  # noqa: PLR0911 - one return per type
    if column.refers_to not in {None, table}:
        return account.keys[str(column.refers_to)]
    if (table, column.name) == ("users", "id"):
        return account.user_id
    if column.name == "email":
        return account.email
    if column.kind == "uuid":
        return uuid4()
    if column.kind == "text":
        return f"text-{uuid4()}"
    if column.kind == "bytea":
        return f"secret-{uuid4()}".encode() + (f" {account.user_id}".encode() if column.name == "raw" else b"")
    if column.kind == "jsonb":
        return "{}"
    return CONSTANT_VALUES.get(column.kind, 1)


def count_traces(owner: Owner, marks: list[str]) -> dict[str, int]:
    """Number of rows with one of these marks in each table, including the tables of jobs."""
    tables = """
        select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('evconduit', 'procrastinate') and c.relkind = 'r'
    """
    counts = {}
    for schema, table in owner.execute(tables).fetchall():
        # As text, bytea is hexadecimal.
        hexadecimal = [mark.encode().hex() for mark in marks]
        count = sql.SQL("select count(*) from {} t where t::text like any (%s)").format(
            sql.Identifier(str(schema), str(table))
        )
        row = owner.execute(count, [[f"%{mark}%" for mark in [*marks, *hexadecimal]]]).fetchone()
        if row and row[0]:
            counts[str(table)] = int(str(row[0]))
    return counts
