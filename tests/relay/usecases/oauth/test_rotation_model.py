"""Rotation against a model of a few lines: whatever clients, thieves and time do, in whatever order."""

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
from relay.identity.repository import create_user
from relay.kit.rate_limiter import RateLimiter
from relay.settings import Settings
from tests.relay.usecases.oauth.client import Door
from tests.relay.usecases.oauth.rotation_model import Model

AGE = """
update oauth_tokens set used_at = used_at - %(by)s, created_at = created_at - %(by)s,
    access_expires_at = access_expires_at - %(by)s
"""


@dataclass
class World:
    """The relay, run from outside its loop: hypothesis knows nothing of coroutines."""

    runner: asyncio.Runner
    door: Door
    user_id: object

    def execute(self, statement, parameters=None):
        async def in_pool():
            async with self.door.runtime.pool.connection() as connection:
                await connection.execute(statement, parameters)

        self.runner.run(in_pool())

    def prune(self):
        async def in_pool():
            async with self.door.runtime.pool.connection() as connection:
                return await prune_oauth(connection, datetime.now(UTC), batch_size=3)

        return self.runner.run(in_pool())


# Which of the pairs there ever were, counted from the newest: their holders, thieves among them, remember all.
SOME = st.integers(0, 5)


class Rotation(RuleBasedStateMachine):
    def __init__(self, world):
        super().__init__()
        self.world, self.door, self.run = world, world.door, world.runner.run
        self.model = Model()

    def pair(self, some):
        return self.model.pairs[-1 - some % len(self.model.pairs)]

    @initialize()
    def sign_in(self):
        self.world.execute("delete from oauth_grants")
        self.model = Model()
        self.model.issue(self.run(self.door.sign_in(self.world.user_id)), None)

    @precondition(lambda self: self.model.is_revoked)
    @rule()
    def sign_in_again(self):
        self.sign_in()

    @rule(some=SOME)
    def call(self, some):
        pair = self.pair(some)
        assert self.run(self.door.call(pair.tokens["access_token"])) == (200 if self.model.call(pair) else 401)

    @rule(some=SOME, times=st.integers(1, 3))
    def refresh(self, some, times):
        pair = self.pair(some)
        for _ in range(times):
            answer = self.run(self.door.refresh(pair.tokens["refresh_token"]))
            replaces = self.model.refresh(pair)
            assert answer.status_code == (400 if replaces is None else 200), answer.text
            if replaces is not None:
                self.model.issue(answer.json(), replaces)

    @rule(by=st.sampled_from([timedelta(seconds=40), timedelta(minutes=20), timedelta(hours=5)]))
    def wait(self, by):
        self.model.now += by
        self.world.execute(AGE, {"by": by})

    @rule()
    def prune(self):
        assert self.world.prune() == 0, "nothing here is old enough"

    @invariant()
    def a_chain_has_one_end(self):
        assert len(self.model.heads()) <= 1


@pytest.fixture
def world(database_url, tmp_path):
    app = create_app(
        Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32), database_url, with_worker=False
    )
    with asyncio.Runner() as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8300")
        try:
            # Thousands of requests come from one address here.
            app.state.runtime = replace(app.state.runtime, rate_limiter=RateLimiter(per_minute=1_000_000))
            user_id = runner.run(add_user(app.state.runtime.pool))
            yield World(runner=runner, door=Door(http, app.state.runtime), user_id=user_id)
        finally:
            runner.run(http.aclose())
            runner.run(lifespan.__aexit__(None, None, None))


async def add_user(pool):
    async with pool.connection() as connection:
        return await create_user(connection, email="a@example.org", name="Ada")


def test_rotation_does_what_its_model_says(world):
    run_state_machine_as_test(
        lambda: Rotation(world),
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
