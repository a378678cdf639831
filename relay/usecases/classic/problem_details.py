"""Error texts that classic clients show or match. Status, type and members are the same as on all other routes."""

from collections.abc import Callable, Coroutine
from typing import Any, override

from fastapi import Request, Response
from fastapi.routing import APIRoute

from relay.kit.problems import Problem

CLASSIC_DETAILS: dict[str, Callable[[Problem], str]] = {
    "unauthorized": lambda _: "Invalid API key",
    "not-found": lambda _: "Vehicle not found",
    "quota-exhausted": lambda problem: (
        f"Rate limit exceeded for {problem.members['plan']} tier. Monthly allowance "
        f"({problem.members['used']}/{problem.members['allowance']}) and purchased tokens "
        f"({problem.members['call_tokens']}) are exhausted."
    ),
}


class ClassicRoute(APIRoute):
    """A route whose problems have the classic `detail`."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_with_classic_details(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as problem:
                if render_detail := CLASSIC_DETAILS.get(problem.slug):
                    problem.detail = render_detail(problem)
                raise

        return handle_with_classic_details
