"""Refresh token rotation compared with its model, for random sequences of calls, refreshes and delays."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from relay.app import create_app
from relay.identity.oauth_pruning import prune_oauth
from relay.identity.users import create_user
from relay.kit.rate_limiter import RateLimiter
from relay.settings import Settings
from tests.relay.usecases.oauth.client import OAuthClient
from tests.relay.usecases.oauth.rotation_model import RotationModel

ADVANCE_TOKENS = """
update oauth_tokens set used_at = used_at - %(by)s, created_at = created_at - %(by)s,
    access_expires_at = access_expires_at - %(by)s
"""


@dataclass
class SyncRelay:
    """Synchronous access to the relay: Hypothesis state machines can't run coroutines."""

    runner: asyncio.Runner
    client: OAuthClient
    user_id: object

    def execute(self, statement, parameters=None):
        async def run_on_connection():
            async with self.client.runtime.pool.connection() as connection:
                await connection.execute(statement, parameters)

        self.runner.run(run_on_connection())

    def prune(self):
        async def run_on_connection():
            async with self.client.runtime.pool.connection() as connection:
                return await prune_oauth(connection, datetime.now(UTC), batch_size=3)

        return self.runner.run(run_on_connection())


# Index among all pairs ever issued, from the newest: clients and thieves may present any of them.
PAIR_INDEX = st.integers(0, 5)


class RotationMachine(RuleBasedStateMachine):
    def __init__(self, relay):
        super().__init__()
        self.relay, self.client, self.run = relay, relay.client, relay.runner.run
        self.model = RotationModel()

    def pair(self, index):
        return self.model.pairs[-1 - index % len(self.model.pairs)]

    @initialize()
    def sign_in(self):
        self.relay.execute("delete from oauth_grants")
        self.model = RotationModel()
        self.model.issue(self.run(self.client.sign_in(self.relay.user_id)), None)

    @precondition(lambda self: self.model.is_revoked)
    @rule()
    def sign_in_again(self):
        self.sign_in()

    @rule(index=PAIR_INDEX)
    def call(self, index):
        pair = self.pair(index)
        assert self.run(self.client.call(pair.tokens["access_token"])) == (200 if self.model.call(pair) else 401)

    @rule(index=PAIR_INDEX, times=st.integers(1, 3))
    def refresh(self, index, times):
        pair = self.pair(index)
        for _ in range(times):
            answer = self.run(self.client.refresh(pair.tokens["refresh_token"]))
            replaces = self.model.refresh(pair)
            assert answer.status_code == (400 if replaces is None else 200), answer.text
            if replaces is not None:
                self.model.issue(answer.json(), replaces)

    @rule(by=st.sampled_from([timedelta(seconds=40), timedelta(minutes=20), timedelta(hours=5)]))
    def wait(self, by):
        self.model.now += by
        self.relay.execute(ADVANCE_TOKENS, {"by": by})

    @rule()
    def prune(self):
        assert self.relay.prune() == 0, "no token is old enough to be pruned"

    @invariant()
    def chain_has_at_most_one_end(self):
        assert len(self.model.list_chain_ends()) <= 1


@pytest.fixture
def relay(database_url, tmp_path):
    app = create_app(
        Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32), database_url, with_worker=False
    )
    with asyncio.Runner() as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8300")
        try:
            # The test sends thousands of requests from one address.
            app.state.runtime = replace(app.state.runtime, rate_limiter=RateLimiter(per_minute=1_000_000))
            user_id = runner.run(add_user(app.state.runtime.pool))
            yield SyncRelay(runner=runner, client=OAuthClient(http, app.state.runtime), user_id=user_id)
        finally:
            runner.run(http.aclose())
            runner.run(lifespan.__aexit__(None, None, None))


async def add_user(pool):
    async with pool.connection() as connection:
        return await create_user(connection, email="a@example.org", name="Ada")


def test_rotation_behaves_like_its_model(relay):
    run_state_machine_as_test(
        lambda: RotationMachine(relay),
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )
