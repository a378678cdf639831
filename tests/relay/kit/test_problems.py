"""What a caller and the log are told when something goes wrong."""

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from relay.kit import problems


@pytest.mark.parametrize("raise_app_exceptions", [False, True])
async def test_a_row_that_the_database_refuses_is_quoted_nowhere(pool, caplog, raise_app_exceptions):
    """Its message names the row, and so VINs and places; raised on, it would be in the server's own log."""
    app = FastAPI()
    problems.install_handlers(app)

    @app.get("/")
    async def fail() -> None:
        async with pool.connection() as connection:
            await connection.execute("select %s::int", ["5YJ3E7EB1KF000001"])

    transport = httpx.ASGITransport(app, raise_app_exceptions=raise_app_exceptions)
    async with httpx.AsyncClient(transport=transport, base_url="http://relay") as client:
        answer = await client.get("/")
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:evconduit:problem:internal"
    assert "5YJ3E7EB1KF000001" not in answer.text + caplog.text
    assert psycopg.errors.InvalidTextRepresentation.__name__ in caplog.text
    assert "test_problems.py:" in caplog.text
