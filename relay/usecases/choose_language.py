"""A user chooses the language in which interventions are told."""

from dataclasses import replace
from typing import LiteralString
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field, field_validator

from relay.gateways.enode.languages import is_tag, nearest
from relay.kit.database import Connection
from relay.usecases.answer_home_assistant import AccountRecord, account_record
from relay.usecases.authorize import authenticate
from relay.usecases.plan_polling import read_activity
from relay.usecases.present_credential import Authorization
from relay.usecases.runtime import RuntimeDependency
from relay.usecases.tell_change import tell_again

NAMING_ANY: LiteralString = """
select id from vehicles where user_id = %s and intervention_ids <> '[]' and gone_at is null order by id
"""

router = APIRouter(prefix="/api/ha/v2", tags=["Home Assistant"])


class AccountWish(BaseModel):
    """What to change. `language` is any BCP 47 tag; the nearest of Enode's languages is taken, English if none is."""

    language: str = Field(max_length=100)

    @field_validator("language")
    @classmethod
    def _is_tag(cls, given: str) -> str:
        if not is_tag(given):
            raise ValueError("give a language tag such as de or nl-BE")
        return given


@router.patch("/account", response_model=None, responses={200: {"model": AccountRecord}})
async def patch_account(body: AccountWish, runtime: RuntimeDependency, authorization: Authorization) -> AccountRecord:
    """Change the account's language. Costs nothing. Open streams tell the account anew within half a minute."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="control")
        runtime.bursts.take(call.caller.holder)
        language = nearest(body.language)
        if language != call.caller.language:
            await choose_language(connection, call.caller.user_id, language)
            runtime.feed_waker.wake([call.caller.user_id])
        activity = await read_activity(connection, call, runtime.plans)
    call = replace(call, caller=replace(call.caller, language=language))
    return account_record(call, runtime.plans, runtime.version, activity)


async def choose_language(connection: Connection, user_id: UUID, language: str) -> None:
    """One of Enode's. Cars with interventions are told again: theirs may be known in it, because of another user."""
    async with connection.transaction():
        await connection.execute("update users set language = %s where id = %s", [language, user_id])
        rows = await (await connection.execute(NAMING_ANY, [user_id])).fetchall()
        await tell_again(connection, user_id, [UUID(str(row[0])) for row in rows])
