"""Get and set the electricity rate. Energy is priced at the rate that was in force when it was charged."""

from typing import Annotated, Literal, LiteralString, TypedDict
from uuid import UUID

from fastapi import APIRouter
from psycopg.rows import DictRow, dict_row
from pydantic import BaseModel, Field

from relay.identity.credentials import Credential
from relay.kit.database import Connection, fetch_one
from relay.kit.problems import Problem
from relay.kit.timestamps import format_timestamp
from relay.usecases.calls.authorize import Scope, authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency

FIND_CURRENT_RATE: LiteralString = """
select cost_per_kwh, currency, valid_from from electricity_rates where user_id = %s order by valid_from desc limit 1
"""
# Setting the same rate again changes nothing, so clients may repeat the request.
INSERT_RATE: LiteralString = f"""
with newest as ({FIND_CURRENT_RATE})
insert into electricity_rates (user_id, cost_per_kwh, currency)
select %s, %s, %s where not exists (select from newest where cost_per_kwh = %s and currency = %s)
on conflict (user_id, valid_from) do update set (cost_per_kwh, currency) = (excluded.cost_per_kwh, excluded.currency)
"""  # noqa: S608 - our own constant
# A row without a price, so that the energy that was charged before keeps its price.
END_RATE: LiteralString = f"""
with newest as ({FIND_CURRENT_RATE})
insert into electricity_rates (user_id, cost_per_kwh, currency)
select %s, null, null where exists (select from newest where cost_per_kwh is not null)
on conflict (user_id, valid_from) do update set (cost_per_kwh, currency) = (null, null)
"""  # noqa: S608 - our own constant

router = APIRouter(prefix="/api/ha")


class ElectricityRateRequest(BaseModel):
    """The price of a kWh to set, which can be negative; `currency` is an ISO 4217 code."""

    cost_per_kwh: Annotated[float, Field(ge=-1_000_000, le=1_000_000, allow_inf_nan=False)]
    currency: Annotated[str, Field(pattern="^[A-Za-z]{3}$")]


class ElectricityRateRecord(TypedDict):
    """The current rate, and since when it is in force."""

    cost_per_kwh: float
    currency: str
    valid_from: str


@router.get(
    "/v2/electricity-rate",
    response_model=None,
    responses={200: {"model": ElectricityRateRecord}},
)
async def get_electricity_rate(
    runtime: RuntimeDependency, authorization: CredentialDependency
) -> ElectricityRateRecord:
    """The current electricity rate. Costs no call."""
    row = await _get_or_set_rate(runtime, authorization, "read", None)
    if row is None:
        raise Problem(404, "not-found", "No electricity rate is set. Set one with PUT /api/ha/v2/electricity-rate.")
    return _build_rate_record(row)


@router.put(
    "/v2/electricity-rate",
    response_model=None,
    responses={200: {"model": ElectricityRateRecord}},
)
async def put_electricity_rate(
    body: ElectricityRateRequest, runtime: RuntimeDependency, authorization: CredentialDependency
) -> ElectricityRateRecord:
    """Set the electricity rate for energy that is charged from now on. Costs no call."""
    row = await _get_or_set_rate(runtime, authorization, "control", body)
    assert row is not None  # noqa: S101 - just written
    return _build_rate_record(row)


@router.delete("/v2/electricity-rate", status_code=204, response_model=None)
async def delete_electricity_rate(runtime: RuntimeDependency, authorization: CredentialDependency) -> None:
    """End the electricity rate: the cost of energy that is charged from now on is unknown. Costs no call."""
    async with runtime.pool.connection() as connection:
        user_id = (await authenticate_caller(connection, authorization, scope="control")).caller.user_id
        ended = await connection.execute(END_RATE, [user_id, user_id])
    if not ended.rowcount:
        raise Problem(404, "not-found", "No electricity rate is set.")


class ClassicRateRecord(TypedDict):
    """The current rate; nulls if none is set."""

    cost_per_kwh: float | None
    currency: str | None
    updated_at: str | None


class ClassicStoredRateRecord(TypedDict):
    """The rate that was set."""

    status: Literal["success"]
    cost_per_kwh: float
    currency: str


@router.get("/electricity-rate", response_model=None, responses={200: {"model": ClassicRateRecord}})
async def get_classic_electricity_rate(
    runtime: RuntimeDependency, authorization: CredentialDependency
) -> ClassicRateRecord:
    """The current rate in the classic format: nulls when none is set."""
    row = await _get_or_set_rate(runtime, authorization, "read", None)
    if row is None:
        return {"cost_per_kwh": None, "currency": None, "updated_at": None}
    return {
        "cost_per_kwh": row["cost_per_kwh"],
        "currency": row["currency"],
        "updated_at": format_timestamp(row["valid_from"]),
    }


@router.post("/electricity-rate", response_model=None, responses={200: {"model": ClassicStoredRateRecord}})
async def post_classic_electricity_rate(
    body: ElectricityRateRequest, runtime: RuntimeDependency, authorization: CredentialDependency
) -> ClassicStoredRateRecord:
    """Set the rate in the classic format."""
    row = await _get_or_set_rate(runtime, authorization, "control", body)
    assert row is not None  # noqa: S101 - just written
    return {"status": "success", "cost_per_kwh": row["cost_per_kwh"], "currency": row["currency"]}


async def _get_or_set_rate(
    runtime: Runtime, authorization: Credential | None, scope: Scope, new_rate: ElectricityRateRequest | None
) -> DictRow | None:
    """The current rate, after setting `new_rate` if given."""
    async with runtime.pool.connection() as connection:
        user_id = (await authenticate_caller(connection, authorization, scope=scope)).caller.user_id
        if new_rate is not None:
            await _insert_rate(connection, user_id, new_rate)
        row = await fetch_one(connection, FIND_CURRENT_RATE, [user_id], dict_row)
    return None if row is None or row["cost_per_kwh"] is None else row


async def _insert_rate(connection: Connection, user_id: UUID, new_rate: ElectricityRateRequest) -> None:
    rate = [new_rate.cost_per_kwh, new_rate.currency.upper()]
    await connection.execute(INSERT_RATE, [user_id, user_id, *rate, *rate])


def _build_rate_record(row: DictRow) -> ElectricityRateRecord:
    return {
        "cost_per_kwh": row["cost_per_kwh"],
        "currency": row["currency"],
        "valid_from": format_timestamp(row["valid_from"]),
    }
