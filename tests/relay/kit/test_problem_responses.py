"""Error responses and log entries of unexpected errors."""

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from relay.kit import problem_responses


@pytest.mark.parametrize("raise_app_exceptions", [False, True])
async def test_neither_response_nor_log_quotes_the_row_of_a_database_error(pool, caplog, raise_app_exceptions):
    """The error's message contains the row, so VINs and positions. Raised on, it would be in the server's own log."""
    app = FastAPI()
    problem_responses.install_handlers(app)

    @app.get("/")
    async def fail() -> None:
        async with pool.connection() as connection:
            await connection.execute("select %s::int", ["5YJ3E7EB1KF000001"])

    transport = httpx.ASGITransport(app, raise_app_exceptions=raise_app_exceptions)
    async with httpx.AsyncClient(transport=transport, base_url="http://relay") as client:
        response = await client.get("/")
    assert response.status_code == 500
    assert response.json()["type"] == "urn:evconduit:problem:internal"
    assert "5YJ3E7EB1KF000001" not in response.text + caplog.text
    assert psycopg.errors.InvalidTextRepresentation.__name__ in caplog.text
    assert "test_problem_responses.py:" in caplog.text
