"""A test double of Enode that answers action requests as each test says, and the database rows that result."""

import httpx

TOKEN = {"access_token": "t", "expires_in": 3599, "scope": "", "token_type": "bearer"}
REFUSAL = {"type": "https://developers.enode.com/api/problems/bad-request", "title": "No", "detail": "It is full."}


def make_action(state="PENDING", **members):
    """An action as Enode shows it."""
    settled = None if state == "PENDING" else "2026-11-23T12:00:00.000Z"
    return {
        "id": "11111111-1111-4111-8111-111111111111",
        "userId": "u",
        "targetId": "v",
        "targetType": "vehicle",
        "kind": "START",
        "state": state,
        "createdAt": "2026-11-23T12:00:00.000Z",
        "updatedAt": "2026-11-23T12:00:00.000Z",
        "completedAt": settled,
        "failureReason": None,
        **members,
    }


class EnodeDouble:
    """Test double of Enode that answers charging requests with `answer` and keeps the requests."""

    def __init__(self):
        self.answer = lambda _request: httpx.Response(200, json=make_action())
        self.requests = []

    def handle(self, request):
        if request.url.path == "/token":
            return httpx.Response(200, json=TOKEN)
        self.requests.append((request.method, request.url.path, request.content))
        return self.answer(request)


async def execute(pool, statement, *values):
    """Run a statement; its rows as tuples."""
    async with pool.connection() as connection:
        return await (await connection.execute(statement, values)).fetchall()


async def list_used_calls(pool):
    return [row[0] for row in await execute(pool, "select used from usage_months")]
