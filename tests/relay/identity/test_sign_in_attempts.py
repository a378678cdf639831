"""Sign-in attempts: how many are allowed, how long one lasts, and which verifiers it knows."""

from uuid import UUID, uuid4

import pytest

from relay.identity.sign_in_attempts import (
    NewSignInAttempt,
    count_sign_in_try,
    create_sign_in_attempt,
    end_sign_in_attempt,
    find_sign_in_attempt,
    list_verifiers,
    store_verified_identity,
    store_verifier,
)
from relay.kit.problems import Problem
from tests.relay.support.feed import fetch_value


@pytest.fixture
async def connection(pool):
    async with pool.connection() as connection:
        yield connection


async def start(connection, source="s", address="a", **options):
    address_hash = None if address is None else address.encode().ljust(32, b"_")
    new_attempt = NewSignInAttempt(
        source_hash=source.encode().ljust(32, b"_"), address_hash=address_hash, next_path="/home", **options
    )
    return await create_sign_in_attempt(connection, new_attempt)


async def count_allowed(attempt, times):
    """How many calls of `attempt` succeed before one is refused."""
    for count in range(times):
        try:
            await attempt(count)
        except Problem as problem:
            assert (problem.status, problem.slug, problem.headers) == (429, "too-many-requests", {"Retry-After": "900"})  # noqa: PT017 - the count matters, too
            return count
    return times


@pytest.mark.parametrize(
    ("source", "address", "allowed"),
    [("s", "a", 5), ("s{}", "a", 40), ("s", "a{}", 30), ("s{}", "a{}", 40), ("s{}", None, 40)],
)
async def test_starts_are_limited_by_network_and_by_address_within_it(connection, source, address, allowed):
    async def attempt(number):
        await start(connection, source.format(number), address and address.format(number))

    assert await count_allowed(attempt, 40) == allowed
    await connection.execute("update sign_in_attempts set created_at = created_at - interval '14 minutes'")
    assert await count_allowed(attempt, 1) == (allowed == 40)
    await connection.execute("update sign_in_attempts set created_at = created_at - interval '2 minutes'")
    assert await count_allowed(attempt, 1) == 1


async def test_attempt_lasts_an_hour_and_expired_ones_are_deleted(connection):
    token = await start(connection)
    await connection.execute("update sign_in_attempts set expires_at = expires_at - interval '59 minutes'")
    assert (await find_sign_in_attempt(connection, token)).next_path == "/home"
    await connection.execute("update sign_in_attempts set expires_at = expires_at - interval '61 seconds'")
    assert await find_sign_in_attempt(connection, token) is None
    await start(connection, "other", "other")
    assert await fetch_value(connection, "select count(*) from sign_in_attempts") == 1


async def test_identity_is_kept_until_the_attempt_ends(connection):
    token, other = await start(connection, accepts_terms=True), await start(connection)
    await store_verifier(connection, token, "verifier")
    attempt = await find_sign_in_attempt(connection, token)
    assert (attempt.accepts_terms, attempt.supabase_id, attempt.email, attempt.name) == (True, None, "", "")
    assert list_verifiers(attempt) == ["verifier"]
    await store_verified_identity(connection, attempt, UUID(int=1), email="a@b.c", name="Ada")
    attempt = await find_sign_in_attempt(connection, token)
    assert (attempt.supabase_id, attempt.email, attempt.name) == (UUID(int=1), "a@b.c", "Ada")
    assert list_verifiers(attempt) == []
    await end_sign_in_attempt(connection, attempt)
    assert await find_sign_in_attempt(connection, token) is None
    assert await fetch_value(connection, "select count(*) from sign_in_attempts where email is not null") == 0
    assert (await find_sign_in_attempt(connection, other)).accepts_terms is False


async def test_verifiers_of_earlier_attempts_for_the_same_address_stay_valid(connection):
    token = None
    for number in range(3):
        token = await start(connection, previous_token=token)
        await store_verifier(connection, token, f"v{number}")
    assert list_verifiers(await find_sign_in_attempt(connection, token)) == ["v2", "v1", "v0"]
    for options in ({"address": "another", "previous_token": token}, {}, {"previous_token": "evt_unknown"}):
        other = await start(connection, "other", **options)
        assert list_verifiers(await find_sign_in_attempt(connection, other)) == []


@pytest.mark.parametrize("change", ["expires_at = now()", "next_path = ''"])
async def test_verifiers_of_an_ended_attempt_are_not_taken_over(connection, change):
    token = await start(connection)
    await store_verifier(connection, token, "v")
    await connection.execute(f"update sign_in_attempts set {change}")
    assert list_verifiers(await find_sign_in_attempt(connection, await start(connection, previous_token=token))) == []


async def test_link_can_be_opened_until_its_attempt_expires(connection):
    """The window of the limit is shorter than an attempt: then no try at all has been counted in it."""
    token = await start(connection)
    await connection.execute("update sign_in_attempts set created_at = created_at - interval '50 minutes'")
    await count_sign_in_try(connection, token)
    assert await fetch_value(connection, "select tries from sign_in_attempts") == 1


async def test_tries_are_limited_by_attempt_and_by_source(connection):
    token = await start(connection)
    assert await count_allowed(lambda _: count_sign_in_try(connection, token), 10) == 5
    tokens = [await start(connection, address=f"b{number}") for number in range(6)]
    assert await count_allowed(lambda number: count_sign_in_try(connection, tokens[number // 5]), 30) == 25
    elsewhere = await start(connection, "elsewhere", "c")
    await count_sign_in_try(connection, elsewhere)
    await count_sign_in_try(connection, f"evt_{uuid4()}")  # unknown: completing it fails with a better error
    await connection.execute("update sign_in_attempts set created_at = created_at - interval '16 minutes'")
    await count_sign_in_try(connection, tokens[5])


async def test_attempts_from_the_future_are_not_counted(connection):
    """The clock was ahead at those attempts; they must not lock users out until it has caught up."""
    assert await count_allowed(lambda _: start(connection), 10) == 5
    await connection.execute("update sign_in_attempts set created_at = now() + interval '1 day'")
    assert await count_allowed(lambda _: start(connection), 10) == 5
