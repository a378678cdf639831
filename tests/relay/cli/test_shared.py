"""What the commands share: the database connection that their stories run on."""

import pytest
from pydantic import SecretStr

from relay.cli.shared import run_story
from relay.settings import Settings

TIMEOUTS = """
select current_setting('statement_timeout'), current_setting('lock_timeout'),
       current_setting('idle_in_transaction_session_timeout')
"""


@pytest.mark.parametrize(("with_timeouts", "timeouts"), [(False, ("0", "0", "0")), (True, ("15s", "5s", "30s"))])
def test_commands_have_the_relays_timeouts_only_on_request(database_url, tmp_path, with_timeouts, timeouts):
    async def read_timeouts(relay):
        return await (await relay.connection.execute(TIMEOUTS)).fetchone()

    settings = Settings(data=tmp_path, database_url=SecretStr(database_url))
    assert run_story(read_timeouts, settings, with_timeouts=with_timeouts) == timeouts
