"""Set a user's language, in which interventions are described."""

from dataclasses import replace
from typing import LiteralString
from uuid import UUID

from fastapi import APIRouter
from psycopg.rows import scalar_row
from pydantic import BaseModel, Field, field_validator

from relay.gateways.enode.languages import is_language_tag, match_language
from relay.kit.database import Connection, fetch_all
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import RuntimeDependency
from relay.usecases.feed.account_and_vehicles import AccountRecord, render_account_record
from relay.usecases.feed.plan_polling import fetch_busiest_activity
from relay.usecases.feed.record_change import bump_vehicle_revisions

LIST_VEHICLES_WITH_INTERVENTIONS: LiteralString = """
select id from vehicles where user_id = %s and intervention_ids <> '[]' and gone_at is null order by id
"""

router = APIRouter(prefix="/api/ha/v2")


class AccountUpdate(BaseModel):
    """Changes to an account. `language` is a BCP 47 tag; the closest of Enode's languages is used, else English."""

    language: str = Field(max_length=100)

    @field_validator("language")
    @classmethod
    def _validate_language(cls, language: str) -> str:
        if not is_language_tag(language):
            raise ValueError("must be a language tag, for example de or nl-BE")
        return language


@router.patch("/account", response_model=None, responses={200: {"model": AccountRecord}})
async def patch_account(
    body: AccountUpdate, runtime: RuntimeDependency, authorization: CredentialDependency
) -> AccountRecord:
    """Change the account's language. Doesn't count against the allowance.

    Open streams send the changed account within 30 seconds.
    """
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        language = match_language(body.language)
        if language != call.caller.language:
            await set_language(connection, call.caller.user_id, language)
            runtime.feed_waker.wake([call.caller.user_id])
        activity = await fetch_busiest_activity(connection, call, runtime.plans)
    call = replace(call, caller=replace(call.caller, language=language))
    return render_account_record(call, runtime.plans, runtime.identity, activity)


async def set_language(connection: Connection, user_id: UUID, language: str) -> None:
    """Set one of Enode's languages.

    Vehicles with interventions get a new revision, because the texts may already be cached in that language for other
    users and no fetch would announce them.
    """
    async with connection.transaction():
        await connection.execute("update users set language = %s where id = %s", [language, user_id])
        vehicle_ids = await fetch_all(connection, LIST_VEHICLES_WITH_INTERVENTIONS, [user_id], scalar_row)
        await bump_vehicle_revisions(connection, user_id, vehicle_ids)
