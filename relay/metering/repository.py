"""What was used, in the database."""

from relay.kit.database import Connection


async def refund(connection: Connection, call_id: int) -> bool:
    """Give a metered call back to the balance that paid for it; False when that has happened before."""
    cursor = await connection.execute(
        """
        with undone as (
            update poll_logs set refunded_at = now() where id = %s and refunded_at is null
            returning user_id, period, paid_by
        )
        update usage_months m set used = m.used - 1
        from undone where m.user_id = undone.user_id and m.period = undone.period and undone.paid_by = 'allowance'
        """,
        [call_id],
    )
    return cursor.rowcount == 1
