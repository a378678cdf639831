"""Errors in the words that classic clients show to people. Status, type and members are those of every other route."""

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
                if words := CLASSIC_DETAILS.get(problem.slug):
                    problem.detail = words(problem)
                raise

        return handle_with_classic_details
