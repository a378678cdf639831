"""Call tokens: calls that were bought. They pay when the allowance is spent, and never expire."""

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from relay.kit.database import Connection

# One statement, because both must happen or neither; a source that repeats itself inserts no row, so it adds nothing.
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
    """So many call tokens of a user, for a reason that its source names: `source_id` is told once, however often."""

    user_id: UUID
    source: str
    source_id: str
    amount: int

    def to_parameters(self) -> dict[str, object]:
        """As the statements want it. Raises ValueError for an amount that is no number of tokens."""
        if self.amount <= 0:
            raise ValueError("call tokens are granted and taken back one at least")
        return {
            "user_id": self.user_id,
            "source": self.source,
            "source_id": self.source_id,
            "amount": self.amount,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Clawback:
    """What was taken back, and what was not there any more to take."""

    taken: int
    shortfall: int


async def grant_call_tokens(connection: Connection, entry: CallTokenEntry) -> bool:
    """Add call tokens; False when this source has told so before."""
    return await (await connection.execute(GRANT_TOKENS, entry.to_parameters())).fetchone() is not None


async def claw_back_call_tokens(connection: Connection, entry: CallTokenEntry) -> Clawback | None:
    """Take call tokens back, at most those that are left; None when this source has told so before."""
    wanted = entry.to_parameters()
    async with connection.transaction():
        # Locked first: what is left must still be left when it is taken.
        row = await (await connection.execute(LOCK_BALANCE, wanted)).fetchone()
        taken = min(entry.amount, int(str(row[0])) if row else 0)
        found = Clawback(taken=taken, shortfall=entry.amount - taken)
        cursor = await connection.execute(CLAW_BACK_TOKENS, {**wanted, "taken": taken, "shortfall": found.shortfall})
        return found if await cursor.fetchone() is not None else None
