"""Accounts of people who sign in with Supabase."""

from uuid import uuid4

import pytest

from relay.identity.users import (
    ExistingUser,
    NewUser,
    accept_terms,
    create_user,
    create_user_from_supabase,
    find_user_by_supabase_id,
    update_email,
)
from tests.relay.support.feed import fetch_value

SUPABASE_ID = uuid4()


@pytest.fixture
async def connection(pool):
    async with pool.connection() as connection:
        yield connection


async def register(connection, **changes):
    new_user = {"supabase_id": SUPABASE_ID, "email": "a@b.c", "name": "Ada", "language": "de-DE", "invitation_id": None}
    new_user |= {"is_approved": True, "accepts_terms": False} | changes
    return await create_user_from_supabase(connection, NewUser(**new_user))


async def describe(connection, user_id):
    return await fetch_value(
        connection,
        "select concat_ws(' ', email, name, language, plan, role, approved_at is not null,"
        " accepted_terms_at is not null) from users join feeds on user_id = id where id = %s",
        user_id,
    )


@pytest.mark.parametrize(("is_approved", "accepts_terms"), [(True, True), (True, False), (False, True), (False, False)])
async def test_new_account_is_on_the_free_plan_and_has_a_feed(connection, is_approved, accepts_terms):
    user_id = await register(connection, is_approved=is_approved, accepts_terms=accepts_terms)
    flags = " ".join("t" if flag else "f" for flag in (is_approved, accepts_terms))
    assert await describe(connection, user_id) == f"a@b.c Ada de-DE free user {flags}"


async def test_account_added_by_the_operator_is_on_the_best_plan(connection):
    user_id = await create_user(connection, email="x@y.z", name="Kim")
    assert await describe(connection, user_id) == "x@y.z Kim en-US pro user t f"


async def test_account_is_found_by_its_supabase_id_also_while_it_is_being_deleted(connection):
    assert await find_user_by_supabase_id(connection, SUPABASE_ID) is None
    user_id = await register(connection)
    assert await find_user_by_supabase_id(connection, SUPABASE_ID) == ExistingUser(id=user_id, is_closed=False)
    assert await find_user_by_supabase_id(connection, uuid4()) is None
    await connection.execute("update users set closed_at = now()")
    assert await find_user_by_supabase_id(connection, SUPABASE_ID) == ExistingUser(id=user_id, is_closed=True)


async def test_deleted_account_counts_until_its_user_at_supabase_is_deleted(connection):
    user_id = uuid4()
    await connection.execute("insert into deleted_users (id, supabase_id) values (%s, %s)", [user_id, SUPABASE_ID])
    assert await find_user_by_supabase_id(connection, SUPABASE_ID) == ExistingUser(id=user_id, is_closed=True)
    await connection.execute("update deleted_users set deleted_at = now(), supabase_id = null")
    assert await find_user_by_supabase_id(connection, SUPABASE_ID) is None


async def test_email_is_updated_for_this_user_only(connection):
    ada, bob = await register(connection), await register(connection, supabase_id=uuid4())
    await update_email(connection, ada, "new@b.c")
    assert (await describe(connection, ada)).startswith("new@b.c")
    assert (await describe(connection, bob)).startswith("a@b.c")
    await connection.execute("update users set email = null where id = %s", [bob])
    await update_email(connection, bob, "b@b.c")
    assert (await describe(connection, bob)).startswith("b@b.c")
    version = await fetch_value(connection, "select xmin::text from users where id = %s", bob)
    await update_email(connection, bob, "b@b.c")
    assert await fetch_value(connection, "select xmin::text from users where id = %s", bob) == version


async def test_terms_are_accepted_once(connection):
    ada, bob = await register(connection), await register(connection, supabase_id=uuid4())
    await accept_terms(connection, ada)
    at = await fetch_value(connection, "select accepted_terms_at from users where id = %s", ada)
    await accept_terms(connection, ada)
    assert at is not None
    assert await fetch_value(connection, "select accepted_terms_at from users where id = %s", ada) == at
    assert await fetch_value(connection, "select accepted_terms_at from users where id = %s", bob) is None
