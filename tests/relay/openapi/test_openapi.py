"""Schemathesis calls every operation of the OpenAPI document with generated input; responses must conform to it.

Input is valid and invalid; credentials are a user's JWT, an API key, and none. Runs are deterministic;
`--examples=500` makes them longer.
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
from tests.relay.support.serving import serve_relay

STREAMING_OPERATIONS = {"GET /api/ha/v2/stream"}
"""The response never ends; it is tested with the streams."""

EXISTING_IDS = {"vehicle_id": str(VEHICLE_ID), "command_id": str(COMMAND_ID), "session_id": str(SESSION_ID)}
"""Ids that exist. Half of the calls use them, because nearly all others end with a 404."""

CREDENTIALS = {
    "user": {"Authorization": f"Bearer {JWT}"},
    "API key": {"Authorization": f"Bearer {KEY}"},
    "no credential": {},
}
EXAMPLES, FULL_EXAMPLES = 2, 8
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def examples(request, full_run):
    """How many calls to generate for each operation, kind of input and credential."""
    return request.config.getoption("--examples", None) or (FULL_EXAMPLES if full_run else EXAMPLES)


@pytest.fixture
async def url(app, account):
    async with serve_relay(app) as at:
        app.state.runtime = replace(
            app.state.runtime, rate_limiter=RateLimiter(per_minute=1_000_000), verify_supabase_token=verify_fixed_token
        )
        yield at


@pytest.mark.parametrize("credential", CREDENTIALS)
async def test_responses_to_valid_and_invalid_calls_conform_to_the_document(app, url, credential, examples):
    failures = await asyncio.to_thread(call_all_operations, app.openapi(), url, CREDENTIALS[credential], examples)
    assert failures == {}, json.dumps(failures, indent=1)


def call_all_operations(document, url, headers, examples):
    """Failed checks by operation."""
    schema = schemathesis.openapi.from_dict(document)
    failures, labels = {}, set()
    for result in schema.get_all_operations():
        operation = result.ok()
        labels.add(operation.label)
        if operation.label in STREAMING_OPERATIONS:
            continue
        for mode in GenerationMode:
            for fixed_ids in list_fixed_ids(operation):
                try:
                    strategy = build_strategy(operation, mode, fixed_ids)
                    run_cases(examples, strategy, lambda case: check_case(case, url, headers))
                except Unsatisfiable:
                    assert mode == GenerationMode.NEGATIVE  # an operation without input has no invalid input
                except (FailureGroup, AssertionError) as error:
                    failures[f"{operation.label}, {mode.value}"] = describe_failures(error)
    assert labels >= STREAMING_OPERATIONS, "STREAMING_OPERATIONS has an entry that doesn't exist"
    return failures


def list_fixed_ids(operation):
    names = [parameter.name for parameter in operation.path_parameters]
    existing_ids = {name: EXISTING_IDS[name] for name in names if name in EXISTING_IDS}
    return [{}, existing_ids] if existing_ids else [{}]


def check_case(case, url, headers):
    case.call_and_validate(base_url=url, headers=headers, checks=CHECKS)


def build_strategy(operation, mode, fixed_ids):
    return operation.as_strategy(mode, **({"path_parameters": fixed_ids} if fixed_ids else {}))


def run_cases(examples, strategy, check):
    configure = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    configure(given(strategy)(check))()


def describe_failures(error):
    return [str(failure) for failure in getattr(error, "exceptions", [error])]
