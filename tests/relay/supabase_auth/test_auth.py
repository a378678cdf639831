"""Signing in at Supabase Auth through its own Python client."""

import asyncio
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest

from relay.gateways.supabase import (
    SupabaseConfig,
    SupabaseKeysRefused,
    SupabaseRefused,
    SupabaseUnavailable,
    open_supabase,
)
from tests.relay.supabase_auth.double import SECRET
from tests.relay.supabase_auth.flows import Somebody

BACK = "http://relay.example/auth/callback"


class Kept:
    """Where a test keeps the verifier of one sign-in."""

    def __init__(self):
        self.verifier = None

    async def __call__(self, verifier):
        assert self.verifier is None
        self.verifier = verifier


async def landed(supabase, link):
    """Where a browser lands that follows this link: the query there."""
    where = await supabase.lands(link)
    assert where.startswith(BACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(where).query).items()}


async def test_a_link_signs_in_whoever_has_the_verifier(supabase, client):
    kept = Kept()
    await client.auth.send_sign_in_link("a@example.org", redirect_to=BACK, should_create_user=True, store_verifier=kept)
    code = (await landed(supabase, supabase.mails[0].link))["code"]
    with pytest.raises(SupabaseRefused) as refused:
        await client.auth.exchange_code(code, "x" * 50)
    assert refused.value.code == "bad_code_verifier"
    person = await client.token_verifier.verify(await client.auth.exchange_code(code, kept.verifier))
    assert (str(person.supabase_id), person.email) == (supabase.people["a@example.org"].id, "a@example.org")
    with pytest.raises(SupabaseRefused):  # once
        await client.auth.exchange_code(code, kept.verifier)


async def test_two_who_sign_in_at_once_keep_their_own_verifiers(supabase, client):
    kept = {name: Kept() for name in ("a@example.org", "b@example.org")}
    await asyncio.gather(
        *(
            client.auth.send_sign_in_link(name, redirect_to=BACK, should_create_user=True, store_verifier=kept[name])
            for name in kept
        )
    )
    for mail in supabase.mails:
        code = (await landed(supabase, mail.link))["code"]
        person = await client.token_verifier.verify(await client.auth.exchange_code(code, kept[mail.to].verifier))
        assert person.email == mail.to


async def test_the_verifier_is_kept_before_the_mail_leaves(supabase, client):
    async def failing(_verifier):
        raise LookupError

    with pytest.raises(LookupError):
        await client.auth.send_sign_in_link(
            "a@example.org", redirect_to=BACK, should_create_user=True, store_verifier=failing
        )
    assert supabase.mails == []


async def test_a_link_in_the_other_wording_is_followed_by_a_post(supabase, client):
    await client.auth.send_sign_in_link("a@example.org", redirect_to=BACK, should_create_user=True, keep=Kept())
    token_hash = supabase.mails[0].token_hash
    person = await client.token_verifier.verify(await client.auth.exchange_link_token(token_hash, "email"))
    assert person.email == "a@example.org"
    with pytest.raises(SupabaseRefused) as refused:
        await client.auth.exchange_link_token(token_hash, "email")
    assert refused.value.code == "otp_expired"


async def test_strangers_get_no_mail_unless_they_may_come_in(supabase, client):
    with pytest.raises(SupabaseRefused) as refused:
        await client.auth.send_sign_in_link("a@example.org", redirect_to=BACK, should_create_user=False, keep=Kept())
    assert (refused.value.code, supabase.mails, supabase.people) == ("otp_disabled", [], {})


async def test_a_provider_signs_in(supabase, client):
    kept = Kept()
    url = await client.auth.get_provider_url("github", redirect_to=BACK, store_verifier=kept)
    assert parse_qs(urlsplit(url).query)["code_challenge_method"] == ["s256"]
    person = await client.token_verifier.verify(
        await client.auth.exchange_code((await landed(supabase, url))["code"], kept.verifier)
    )
    assert (person.email, person.name) == ("octo@example.org", "Octo Cat")


async def test_a_session_is_forgotten(supabase, client):
    await client.auth.send_sign_in_link("a@example.org", redirect_to=BACK, should_create_user=True, keep=Kept())
    token = await client.auth.exchange_link_token(supabase.mails[0].token_hash, "email")
    assert len(supabase.sessions) == 1
    await client.auth.end_supabase_session(token)
    assert supabase.sessions == {}


async def test_deleting_a_person_twice_is_deleting_once(supabase, client):
    supabase.people["a@example.org"] = somebody = Somebody("a@example.org")
    await client.auth.delete_user(UUID(somebody.id))
    assert supabase.people == {}
    await client.auth.delete_user(UUID(somebody.id))


async def test_wrong_keys_are_told_apart_from_a_no(supabase):
    config = SupabaseConfig(url=supabase.url, anon_key="sb_publishable_other", service_role_key="sb_secret_other")
    async with open_supabase(config) as other:
        with pytest.raises(SupabaseKeysRefused):
            await other.auth.send_sign_in_link(
                "a@example.org", redirect_to=BACK, should_create_user=True, store_verifier=Kept()
            )
        with pytest.raises(SupabaseKeysRefused):
            await other.auth.delete_user(uuid4())


async def test_the_older_keys_are_jwts_and_come_as_bearers_too():
    seen = []

    async def answer(request):
        seen.append(request.headers)
        return httpx.Response(200, json={})

    config = SupabaseConfig(url="http://supabase.example", anon_key="eyJanon", service_role_key="eyJservice")
    async with open_supabase(config) as client:
        client.auth._http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        await client.auth.delete_user(uuid4())
    assert (seen[0]["apikey"], seen[0]["authorization"]) == ("eyJservice", "Bearer eyJservice")


async def test_a_server_that_is_away_says_nothing_of_what_was_asked(supabase, client):
    supabase.down = True
    for asking in (
        client.auth.send_sign_in_link("a@example.org", redirect_to=BACK, should_create_user=True, keep=Kept()),
        client.auth.exchange_code("the-code", "the-verifier"),
        client.auth.exchange_link_token("the-hash", "email"),
        client.auth.delete_user(uuid4()),
    ):
        with pytest.raises(SupabaseUnavailable) as away:
            await asking
        assert not any(it in str(away.value) for it in ("example.org", "the-", SECRET))


async def test_nobody_at_the_address(client):
    config = SupabaseConfig(url="http://127.0.0.1:9", anon_key="a", service_role_key="b")
    async with open_supabase(config) as nobody:
        with pytest.raises(SupabaseUnavailable):
            await nobody.auth.exchange_code("code", "verifier")
        with pytest.raises(SupabaseUnavailable):
            await nobody.fetch_keys()


async def test_a_404_of_who_knows_whom_deletes_nobody():
    """A gateway on the way says 404 too, and then somebody who was promised to be gone would stay."""

    async def answer(_request):
        return httpx.Response(404, json={"message": "no Route matched with those values"})

    async with open_supabase(
        SupabaseConfig(url="http://supabase.example", anon_key="a", service_role_key="b")
    ) as client:
        client.auth._http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        with pytest.raises(SupabaseRefused) as refused:
            await client.auth.delete_user(uuid4())
    assert refused.value.code == "unknown"
