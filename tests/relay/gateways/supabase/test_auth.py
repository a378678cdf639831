"""The gateway's sign-in calls to Supabase Auth, through the vendor's Python client and the double."""

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
from tests.relay.support.supabase.double import SECRET
from tests.relay.support.supabase.flows import SupabaseAccount

BACK = "http://relay.example/auth/callback"


class VerifierStore:
    """Stores the verifier of one sign-in."""

    def __init__(self):
        self.verifier = None

    async def __call__(self, verifier):
        assert self.verifier is None
        self.verifier = verifier


async def follow_link(supabase, link):
    """Query parameters of the callback URL to which this link redirects."""
    url = await supabase.resolve_link(link)
    assert url.startswith(BACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def test_link_signs_in_the_holder_of_the_verifier(supabase, client):
    store = VerifierStore()
    await client.auth.send_sign_in_link(
        "a@example.org", redirect_to=BACK, should_create_user=True, store_verifier=store
    )
    code = (await follow_link(supabase, supabase.mails[0].link))["code"]
    with pytest.raises(SupabaseRefused) as refused:
        await client.auth.exchange_code(code, "x" * 50)
    assert refused.value.code == "bad_code_verifier"
    user = await client.token_verifier.verify(await client.auth.exchange_code(code, store.verifier))
    assert (str(user.supabase_id), user.email) == (supabase.accounts["a@example.org"].id, "a@example.org")
    with pytest.raises(SupabaseRefused):  # once
        await client.auth.exchange_code(code, store.verifier)


async def test_concurrent_sign_ins_keep_separate_verifiers(supabase, client):
    stores = {name: VerifierStore() for name in ("a@example.org", "b@example.org")}
    await asyncio.gather(
        *(
            client.auth.send_sign_in_link(name, redirect_to=BACK, should_create_user=True, store_verifier=stores[name])
            for name in stores
        )
    )
    for mail in supabase.mails:
        code = (await follow_link(supabase, mail.link))["code"]
        user = await client.token_verifier.verify(await client.auth.exchange_code(code, stores[mail.to].verifier))
        assert user.email == mail.to


async def test_verifier_is_stored_before_the_email_is_sent(supabase, client):
    async def failing(_verifier):
        raise LookupError

    with pytest.raises(LookupError):
        await client.auth.send_sign_in_link(
            "a@example.org", redirect_to=BACK, should_create_user=True, store_verifier=failing
        )
    assert supabase.mails == []


async def test_token_hash_link_is_exchanged_by_post(supabase, client):
    await client.auth.send_sign_in_link(
        "a@example.org", redirect_to=BACK, should_create_user=True, store_verifier=VerifierStore()
    )
    token_hash = supabase.mails[0].token_hash
    user = await client.token_verifier.verify(await client.auth.exchange_link_token(token_hash, "email"))
    assert user.email == "a@example.org"
    with pytest.raises(SupabaseRefused) as refused:
        await client.auth.exchange_link_token(token_hash, "email")
    assert refused.value.code == "otp_expired"


async def test_unknown_address_gets_no_email_if_users_are_not_created(supabase, client):
    with pytest.raises(SupabaseRefused) as refused:
        await client.auth.send_sign_in_link(
            "a@example.org", redirect_to=BACK, should_create_user=False, store_verifier=VerifierStore()
        )
    assert (refused.value.code, supabase.mails, supabase.accounts) == ("otp_disabled", [], {})


async def test_provider_signs_in(supabase, client):
    store = VerifierStore()
    url = await client.auth.get_provider_url("github", redirect_to=BACK, store_verifier=store)
    assert parse_qs(urlsplit(url).query)["code_challenge_method"] == ["s256"]
    user = await client.token_verifier.verify(
        await client.auth.exchange_code((await follow_link(supabase, url))["code"], store.verifier)
    )
    assert (user.email, user.name) == ("octo@example.org", "Octo Cat")


async def test_ended_session_is_deleted_at_supabase(supabase, client):
    await client.auth.send_sign_in_link(
        "a@example.org", redirect_to=BACK, should_create_user=True, store_verifier=VerifierStore()
    )
    token = await client.auth.exchange_link_token(supabase.mails[0].token_hash, "email")
    assert len(supabase.sessions) == 1
    await client.auth.end_supabase_session(token)
    assert supabase.sessions == {}


async def test_deleting_a_user_twice_succeeds(supabase, client):
    supabase.accounts["a@example.org"] = account = SupabaseAccount("a@example.org")
    await client.auth.delete_user(UUID(account.id))
    assert supabase.accounts == {}
    await client.auth.delete_user(UUID(account.id))


async def test_refused_api_keys_raise_their_own_error(supabase):
    config = SupabaseConfig(url=supabase.url, anon_key="sb_publishable_other", service_role_key="sb_secret_other")
    async with open_supabase(config) as other:
        with pytest.raises(SupabaseKeysRefused):
            await other.auth.send_sign_in_link(
                "a@example.org", redirect_to=BACK, should_create_user=True, store_verifier=VerifierStore()
            )
        with pytest.raises(SupabaseKeysRefused):
            await other.auth.delete_user(uuid4())


async def test_legacy_jwt_keys_are_also_sent_as_bearer_tokens():
    recorded_headers = []

    async def respond(request):
        recorded_headers.append(request.headers)
        return httpx.Response(200, json={})

    config = SupabaseConfig(url="http://supabase.example", anon_key="eyJanon", service_role_key="eyJservice")
    async with open_supabase(config) as client:
        client.auth._http = httpx.AsyncClient(transport=httpx.MockTransport(respond))
        await client.auth.delete_user(uuid4())
    assert (recorded_headers[0]["apikey"], recorded_headers[0]["authorization"]) == ("eyJservice", "Bearer eyJservice")


async def test_unavailable_error_reveals_no_request_data(supabase, client):
    supabase.is_down = True
    for call in (
        client.auth.send_sign_in_link(
            "a@example.org", redirect_to=BACK, should_create_user=True, store_verifier=VerifierStore()
        ),
        client.auth.exchange_code("the-code", "the-verifier"),
        client.auth.exchange_link_token("the-hash", "email"),
        client.auth.delete_user(uuid4()),
    ):
        with pytest.raises(SupabaseUnavailable) as error:
            await call
        assert not any(text in str(error.value) for text in ("example.org", "the-", SECRET))


async def test_unreachable_server_raises_unavailable(client):
    config = SupabaseConfig(url="http://127.0.0.1:9", anon_key="a", service_role_key="b")
    async with open_supabase(config) as unreachable:
        with pytest.raises(SupabaseUnavailable):
            await unreachable.auth.exchange_code("code", "verifier")
        with pytest.raises(SupabaseUnavailable):
            await unreachable.fetch_keys()


async def test_404_without_a_code_is_not_taken_as_deleted():
    """A gateway in between may return 404 too; then the user would still exist at Supabase."""

    async def respond(_request):
        return httpx.Response(404, json={"message": "no Route matched with those values"})

    async with open_supabase(
        SupabaseConfig(url="http://supabase.example", anon_key="a", service_role_key="b")
    ) as client:
        client.auth._http = httpx.AsyncClient(transport=httpx.MockTransport(respond))
        with pytest.raises(SupabaseRefused) as refused:
            await client.auth.delete_user(uuid4())
    assert refused.value.code == "unknown"
