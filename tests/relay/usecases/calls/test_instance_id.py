"""The id by which Home Assistant recognizes a relay."""

from uuid import UUID

from relay.usecases.calls.instance_id import fetch_instance_id


async def test_each_database_has_an_id_that_stays(pool):
    async with pool.connection() as connection:
        first = await fetch_instance_id(connection)
        assert str(UUID(first)) == first
        assert await fetch_instance_id(connection) == first
