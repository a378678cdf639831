"""Web sessions, sign-in links and invitations in the database: what is valid, and until when."""

from datetime import timedelta
from uuid import uuid4

import pytest

from relay.identity.invitations import (
    ALPHABET,
    create_invitation,
    find_invitation,
    generate_invitation_code,
    hash_invitation_code,
    list_invitations,
    redeem_invitation,
    revoke_invitation,
)
from relay.identity.sign_in_links import (
    create_sign_in_link,
    get_or_create_owner,
    is_sign_in_link_valid,
    redeem_sign_in_link,
)
from relay.identity.users import is_email_address
from relay.identity.web_sessions import (
    create_web_session,
    end_user_web_sessions,
    end_web_session,
    find_web_session,
)
from tests.relay.support.feed import fetch_value


@pytest.fixture
async def connection(pool):
    async with pool.connection() as connection:
        yield connection


@pytest.mark.parametrize(
    ("change", "is_valid"),
    [
        ("update web_sessions set expires_at = now() + interval '10 minutes'", True),
        ("update web_sessions set expires_at = now() - interval '1 s'", False),
        ("update users set closed_at = now()", False),
        ("update users set disabled_at = now()", True),
        ("update users set approved_at = null", True),
        ("delete from web_sessions", False),
    ],
)
async def test_session_is_valid_until_it_expires_or_the_account_is_closed(connection, account, change, is_valid):
    token = await create_web_session(connection, account.user_id, "link")
    await connection.execute(change)
    user = await find_web_session(connection, token)
    assert (user is not None) is is_valid
    if user:
        assert user.user_id == account.user_id
        assert user.is_disabled is ("disabled" in change)
        assert user.is_approved is ("approved" not in change)


IS_PROLONGED = "expires_at between now() + interval '30 days' - interval '1 minute' and now() + interval '30 days'"


@pytest.mark.parametrize(("unseen", "is_prolonged"), [("59 minutes", False), ("61 minutes", True)])
async def test_session_in_use_is_prolonged_at_most_once_an_hour(connection, account, unseen, is_prolonged):
    token = await create_web_session(connection, account.user_id, "link")
    other = await create_web_session(connection, account.user_id, "link")
    assert await fetch_value(connection, f"select bool_and({IS_PROLONGED}) from web_sessions")
    await connection.execute(
        "update web_sessions set expires_at = now() + interval '1 day', seen_at = now() - %s::interval", [unseen]
    )
    assert await find_web_session(connection, token)
    prolonged = f"select count(*) from web_sessions where {IS_PROLONGED} and seen_at > now() - interval '1 minute'"
    assert await fetch_value(connection, prolonged) == is_prolonged
    await connection.execute("update web_sessions set expires_at = now() - interval '1 s'")
    assert await find_web_session(connection, other) is None
    assert await fetch_value(connection, "select bool_and(expires_at < now()) from web_sessions")


async def test_session_ends_alone_or_with_all_of_its_user(connection, make_account):
    ada, bob = await make_account(), await make_account()
    first, second = [await create_web_session(connection, ada.user_id, "link") for _ in range(2)]
    bobs = await create_web_session(connection, bob.user_id, "supabase")
    await end_web_session(connection, first)
    assert await find_web_session(connection, first) is None
    assert (await find_web_session(connection, second)).user_id == ada.user_id
    await end_user_web_sessions(connection, ada.user_id)
    assert await find_web_session(connection, second) is None
    assert (await find_web_session(connection, bobs)).user_id == bob.user_id


@pytest.mark.parametrize(("age", "is_valid"), [("14 minutes", True), ("15 minutes 1 second", False)])
async def test_link_signs_in_once_within_fifteen_minutes(connection, account, age, is_valid):
    token = await create_sign_in_link(connection, account.user_id)
    await connection.execute("update sign_in_links set expires_at = expires_at - %s::interval", [age])
    assert await is_sign_in_link_valid(connection, token) is is_valid
    expected = account.user_id if is_valid else None
    assert await redeem_sign_in_link(connection, token, language="en-US") == expected
    assert await redeem_sign_in_link(connection, token, language="en-US") is None
    assert not await is_sign_in_link_valid(connection, token)
    assert not await is_sign_in_link_valid(connection, "evl_unknown")


async def test_new_link_removes_expired_ones(connection, account):
    await create_sign_in_link(connection, account.user_id)
    await connection.execute("update sign_in_links set expires_at = now() - interval '1 s'")
    valid = [await create_sign_in_link(connection, account.user_id) for _ in range(2)]
    assert await fetch_value(connection, "select count(*) from sign_in_links") == 2
    assert all([await is_sign_in_link_valid(connection, token) for token in valid])


async def test_owner_is_created_with_the_first_link_and_found_by_the_next(connection):
    token = await create_sign_in_link(connection, None)
    assert await fetch_value(connection, "select count(*) from users") == 0
    owner = await redeem_sign_in_link(connection, token, language="de-DE")
    created = "select role || ' ' || language || ' ' || plan from users join feeds on user_id = id"
    assert await fetch_value(connection, created) == "admin de-DE pro"
    assert await get_or_create_owner(connection) == owner


async def test_owner_is_the_oldest_open_account(connection, make_account):
    oldest, older, newer = [await make_account() for _ in range(3)]
    for age, account in enumerate((newer, older, oldest)):
        await connection.execute(
            "update users set created_at = now() - %s * interval '1 day' where id = %s", [age, account.user_id]
        )
    assert await get_or_create_owner(connection) == oldest.user_id
    await connection.execute("update users set closed_at = now() where id = %s", [oldest.user_id])
    assert await get_or_create_owner(connection) == older.user_id


CODE = "7K3M-AB1C-D0EF-GH9J"


@pytest.mark.parametrize(
    "typed", [CODE, CODE.lower(), "7k3m ab1c d0ef gh9j", "7K3MABICDOEFGH9J", " 7K3M-ABLC-DOEF-GH9J "]
)
async def test_invitation_is_found_however_its_code_is_typed(connection, typed):
    await create_invitation(connection, CODE, uses=1, lifetime=timedelta(days=1), note="for Kim")
    [invitation] = await list_invitations(connection)
    assert await find_invitation(connection, typed) == invitation.id
    assert (invitation.prefix, invitation.note, invitation.uses, invitation.used) == ("7K3M", "for Kim", 1, 0)
    assert await find_invitation(connection, CODE[:-1]) is None


@pytest.mark.parametrize(
    ("change", "is_valid"),
    [
        ("note = ''", True),
        ("revoked_at = now()", False),
        ("expires_at = now()", False),
        ("expires_at = now() + interval '10 minutes'", True),
        ("used = uses", False),
        ("used = uses - 1", True),
    ],
)
async def test_invitation_is_valid_until_revoked_expired_or_used_up(connection, change, is_valid):
    await create_invitation(connection, CODE, uses=3, lifetime=timedelta(days=1), note="")
    [invitation] = await list_invitations(connection)
    await connection.execute(f"update invitations set {change}")
    assert (await find_invitation(connection, CODE) is not None) is is_valid
    assert await redeem_invitation(connection, invitation.id) is is_valid
    assert not await redeem_invitation(connection, uuid4())


async def test_invitation_admits_exactly_its_uses(connection):
    await create_invitation(connection, CODE, uses=2, lifetime=timedelta(days=1), note="")
    [invitation] = await list_invitations(connection)
    assert [await redeem_invitation(connection, invitation.id) for _ in range(3)] == [True, True, False]
    assert [each.used for each in await list_invitations(connection)] == [2]


async def test_only_the_named_invitation_is_revoked_and_once(connection):
    for code in (CODE, "0000-0000-0000-0000"):
        await create_invitation(connection, code, uses=1, lifetime=timedelta(days=1), note=code)
    first = next(each for each in await list_invitations(connection) if each.note == CODE)
    await revoke_invitation(connection, first.id)
    await connection.execute("update invitations set revoked_at = revoked_at - interval '1 day'")
    revoked = {each.note: each.revoked_at for each in await list_invitations(connection)}
    assert revoked["0000-0000-0000-0000"] is None
    await revoke_invitation(connection, first.id)
    assert {each.note: each.revoked_at for each in await list_invitations(connection)} == revoked


def test_invitation_codes_are_random_and_easy_to_type():
    codes = {generate_invitation_code() for _ in range(50)}
    assert len(codes) == 50
    for code in codes:
        assert [len(group) for group in code.split("-")] == [4] * 4
        assert set(code) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ-") == {*ALPHABET, "-"}
        assert hash_invitation_code(code) == hash_invitation_code(code.replace("-", "").lower())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@b.c", True),
        ("a" * 64 + "@example.org", True),
        ("a" * 65 + "@example.org", False),
        ("a@" + "b" * 63 + ".c", True),
        ("a@" + "b" * 64 + ".c", False),
        ("a@" + "b." * 125 + "cd", True),
        ("a@" + "b." * 125 + "cde", False),
        ("a@b", False),
        ("a@b.", False),
        ("@b.c", False),
        ("a@@b.c", False),
        ("a b@c.d", False),
        ("a@b.c\n", False),
        ("a\u200b@b.c", False),
        ("a+b.c!#$%&'*/=?^_`{|}~-@d-e.example", True),
        ("ü@bucher.example", False),
        ("u@bücher.example", False),
        ('"a"@b.c', False),
        ("a@-b.c", False),
        ("a@b-.c", False),
        ("a@b..c", False),
        ("a@[192.0.2.1]", False),
        ("", False),
    ],
)
def test_email_address_has_a_form_that_supabase_accepts(text, expected):
    assert is_email_address(text) is expected
