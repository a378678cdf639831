"""What FastAPI does for each request before the route's own code runs. `tests.bench` measures its CPU time."""

import pytest
from fastapi.routing import APIRoute

from relay.app import API_ROUTES

LONG_REQUESTS = {"/api/ha/v2/stream"}
FREQUENT_ROUTES = [route for route in API_ROUTES if route.path not in LONG_REQUESTS]


@pytest.mark.parametrize("route", API_ROUTES, ids=lambda route: f"{route.name} {route.path}")
def test_a_route_is_matched_directly(route):
    # FastAPI matches a request to an included router twice.
    assert isinstance(route, APIRoute)


@pytest.mark.parametrize("route", FREQUENT_ROUTES, ids=lambda route: f"{route.name} {route.path}")
def test_dependencies_of_a_route_have_no_dependencies_of_their_own(route):
    # FastAPI solves a nested dependency wherever it is used, also if its value is known.
    assert [dependency.call for dependency in route.dependant.dependencies if dependency.dependencies] == []
