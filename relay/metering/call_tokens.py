"""Call tokens: purchased or granted calls. They pay when the month's allowance is used up, and never expire."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from relay.kit.database import Connection, fetch_all, fetch_one

# One statement, so that ledger and balance change together. A repeated source inserts no row, so it adds nothing.
GRANT_TOKENS: LiteralString = """
with entry as (
    insert into call_token_ledger (user_id, kind, source, source_id, amount)
    values (%(user_id)s, 'grant', %(source)s, %(source_id)s, %(amount)s)
    on conflict (source, source_id) do nothing returning user_id, amount
)
insert into call_token_balances as b (user_id, balance) select user_id, amount from entry
on conflict (user_id) do update set balance = b.balance + excluded.balance
returning balance
"""
LOCK_BALANCE: LiteralString = "select balance from call_token_balances where user_id = %(user_id)s for update"
CLAW_BACK_TOKENS: LiteralString = """
with entry as (
    insert into call_token_ledger (user_id, kind, source, source_id, amount, shortfall)
    values (%(user_id)s, 'clawback', %(source)s, %(source_id)s, %(taken)s, %(shortfall)s)
    on conflict (source, source_id) do nothing returning user_id, amount
), taken as (
    update call_token_balances b set balance = b.balance - entry.amount from entry where b.user_id = entry.user_id
)
select from entry
"""
FIND_BALANCE: LiteralString = "select balance from call_token_balances where user_id = %s"
LIST_ENTRIES: LiteralString = """
select kind, source, source_id, amount, shortfall, created_at from call_token_ledger
where user_id = %s order by id desc limit %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallTokenEntry:
    """A grant or clawback to write: a number of call tokens of a user, and the source that causes it.

    `source` and `source_id` together are an idempotency key: an entry is applied once, however often it is sent.
    """

    user_id: UUID
    source: str
    source_id: str
    amount: int

    def to_parameters(self) -> dict[str, object]:
        """Parameters of the statements. Raises ValueError unless the amount is positive."""
        if self.amount <= 0:
            raise ValueError("the number of call tokens must be positive")
        return {
            "user_id": self.user_id,
            "source": self.source,
            "source_id": self.source_id,
            "amount": self.amount,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Clawback:
    """Call tokens that were taken back, and the shortfall: those that the user had already spent."""

    taken: int
    shortfall: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerEntry:
    """A grant or clawback in the ledger. `shortfall`: tokens that a clawback found already spent."""

    kind: str
    source: str
    source_id: str
    amount: int
    shortfall: int
    created_at: datetime


async def grant_call_tokens(connection: Connection, entry: CallTokenEntry) -> int | None:
    """Add call tokens and return the new balance; None if this source was applied before."""
    balance: int | None = await fetch_one(connection, GRANT_TOKENS, entry.to_parameters(), scalar_row)
    return balance


async def claw_back_call_tokens(connection: Connection, entry: CallTokenEntry) -> Clawback | None:
    """Take call tokens back, at most those that are left; None if this source was applied before."""
    parameters = entry.to_parameters()
    async with connection.transaction():
        # Locked first, so that no call spends a token between reading the balance and reducing it.
        balance: int | None = await fetch_one(connection, LOCK_BALANCE, parameters, scalar_row)
        taken = min(entry.amount, balance or 0)
        clawback = Clawback(taken=taken, shortfall=entry.amount - taken)
        parameters |= {"taken": taken, "shortfall": clawback.shortfall}
        is_new = (await connection.execute(CLAW_BACK_TOKENS, parameters)).rowcount > 0
        return clawback if is_new else None


async def get_call_token_balance(connection: Connection, user_id: UUID) -> int:
    """Call tokens that the user has left."""
    balance: int | None = await fetch_one(connection, FIND_BALANCE, [user_id], scalar_row)
    return balance or 0


async def list_call_token_entries(connection: Connection, user_id: UUID, limit: int) -> list[LedgerEntry]:
    """The user's grants and clawbacks, newest first."""
    return await fetch_all(connection, LIST_ENTRIES, [user_id, limit], class_row(LedgerEntry))
