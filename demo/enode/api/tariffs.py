"""Routes of tariffs, and of the daily schedule by which a Location uses one."""

from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.api.request_helpers import get_simulator
from demo.enode.problems import bad_request, not_found, read_body

MAX_ID_LENGTH = 36

HourMinute = Annotated[str, Field(pattern=r"^(((?:[01]\d|2[0-3]):[0-5]\d)|24:00)$")]


class Rate(BaseModel):
    """One price of a tariff; the cost is a decimal."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    cost: str = Field(pattern=r"^[+-]?(\d{1,9}([.]\d{0,9})?|[.]\d{1,9})$")


class TariffBody(RootModel[list[Rate]]):
    """Body of PUT /tariffs/{id}."""


class Interval(BaseModel):
    """When a rate applies, in the time zone of the Location."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    name: str
    weekdays: list[Annotated[int, Field(ge=0, le=6)]] = [0, 1, 2, 3, 4, 5, 6]
    start: HourMinute = Field(alias="from")
    end: HourMinute = Field(alias="to")


class ScheduleBody(BaseModel):
    """Body of PUT /locations/{id}/tariff."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tariff_id: str = Field(alias="tariffId")
    tariff_intervals: list[Interval] = Field(alias="tariffIntervals")


async def put_tariff(request: Request) -> Response:
    """Create or replace a tariff."""
    tariff_id = request.path_params["tariff_id"]
    if len(tariff_id) > MAX_ID_LENGTH or not tariff_id.replace("-", "").replace("_", "").isalnum():
        raise bad_request("The tariff id is not valid.")
    body = await read_body(request, TariffBody)
    get_simulator(request).world.tariffs[tariff_id] = [rate.model_dump() for rate in body.root]
    return Response(status_code=204)


async def get_tariff(request: Request) -> Response:
    """Return a tariff."""
    rates = get_simulator(request).world.tariffs.get(request.path_params["tariff_id"])
    if rates is None:
        raise not_found("Not Found", "There is no such tariff.")
    return JSONResponse(rates)


async def put_schedule(request: Request) -> Response:
    """Use a tariff at a Location. Replaces the Location's schedule; gaps have market prices."""
    world, location_id = get_simulator(request).world, request.path_params["location_id"]
    body = await read_body(request, ScheduleBody)
    if location_id not in world.places or body.tariff_id not in world.tariffs:
        raise not_found("Not Found", "There is no such location or tariff.")
    for weekday in range(7):
        intervals = sorted((item.start, item.end) for item in body.tariff_intervals if weekday in item.weekdays)
        if any(following[0] < current[1] for current, following in pairwise(intervals)):
            raise bad_request("The intervals of the tariff overlap.")
    world.schedules[location_id] = body.model_dump(by_alias=True)
    return Response(status_code=204)


async def get_schedule(request: Request) -> Response:
    """Return the schedule of a Location. SIM: in the Location's time zone, where Enode's is in UTC."""
    world, location_id = get_simulator(request).world, request.path_params["location_id"]
    if location_id not in world.places:
        raise not_found("Location not found", "Could not find the location")
    schedule = world.schedules.get(location_id) or {"tariffId": "", "tariffIntervals": []}
    return JSONResponse(
        [
            {
                "weekday": weekday,
                "fromHourMinute": interval["from"],
                "toHourMinute": interval["to"],
                "tariffId": schedule["tariffId"],
                "tariffName": interval["name"],
            }
            for interval in schedule["tariffIntervals"]
            for weekday in interval["weekdays"]
        ]
    )


ROUTES = [
    Route("/tariffs/{tariff_id}", get_tariff, methods=["GET"]),
    Route("/tariffs/{tariff_id}", put_tariff, methods=["PUT"]),
    Route("/locations/{location_id}/tariff", get_schedule, methods=["GET"]),
    Route("/locations/{location_id}/tariff", put_schedule, methods=["PUT"]),
]
