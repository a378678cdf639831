"""Schemathesis makes up calls of every operation in the OpenAPI document: whatever comes, nothing is our mistake.

Right and wrong input alike, as a person who may do everything, with a key, and with no credential. A run is the same
each time; `--examples=500` makes it longer.
"""

import asyncio
import json
from dataclasses import replace

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from relay.kit.rate_limiter import RateLimiter
from tests.relay.api_docs.conftest import COMMAND_ID, JWT, KEY, SESSION_ID, VEHICLE_ID, verify_fixed_token
from tests.relay.support.serving import serving

ENDLESS = {"GET /api/ha/v2/stream"}
"""Its answer has no end, and what it says is tested where streams are."""

KNOWN = {"vehicle_id": str(VEHICLE_ID), "command_id": str(COMMAND_ID), "session_id": str(SESSION_ID)}
"""Ids of things that there are: half of all calls name these, else nearly all would end at a 404."""

CREDENTIALS = {
    "a person": {"Authorization": f"Bearer {JWT}"},
    "a key": {"Authorization": f"Bearer {KEY}"},
    "nobody": {},
}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def examples(request):
    """Calls of each operation in each way."""
    return int(request.config.getoption("--examples", 8))


@pytest.fixture
async def url(app, account):
    async with serving(app) as at:
        app.state.runtime = replace(
            app.state.runtime, rate_limiter=RateLimiter(per_minute=1_000_000), verify_supabase_token=verify_fixed_token
        )
        yield at


@pytest.mark.parametrize("who", CREDENTIALS)
async def test_no_call_that_the_document_allows_or_forbids_is_a_mistake_of_ours(app, url, who, examples):
    found = await asyncio.to_thread(explore, app.openapi(), url, CREDENTIALS[who], examples)
    assert found == {}, json.dumps(found, indent=1)


def explore(document, url, headers, examples):
    """What went wrong, by operation."""
    schema = schemathesis.openapi.from_dict(document)
    found, names = {}, set()
    for result in schema.get_all_operations():
        operation = result.ok()
        names.add(operation.label)
        if operation.label in ENDLESS:
            continue
        for mode in GenerationMode:
            for fixed in _paths(operation):
                try:
                    call = _call(operation, mode, fixed)
                    _many(examples, call, lambda case: check(case, url, headers))
                except Unsatisfiable:
                    assert mode == GenerationMode.NEGATIVE  # what takes nothing can be given nothing wrong
                except (FailureGroup, AssertionError) as error:
                    found[f"{operation.label}, {mode.value}"] = _words(error)
    assert names >= ENDLESS, "an exception is about nothing"
    return found


def _paths(operation):
    known = {it.name: KNOWN[it.name] for it in operation.path_parameters if it.name in KNOWN}
    return [{}, known] if known else [{}]


def check(case, url, headers):
    case.call_and_validate(base_url=url, headers=headers, checks=CHECKS)


def _call(operation, mode, fixed):
    return operation.as_strategy(mode, **({"path_parameters": fixed} if fixed else {}))


def _many(examples, cases, judge):
    bounds = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    bounds(given(cases)(judge))()


def _words(error):
    return [str(it) for it in getattr(error, "exceptions", [error])]
