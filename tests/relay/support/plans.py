"""Plan catalogues for tests."""

from relay.plans import CLOUD_PLANS, Plans

CLOUD = CLOUD_PLANS.override(vehicle_limits={"free": None, "basic": None, "pro": None})
"""The cloud's calls and push with any number of vehicles; a test about vehicle limits sets its own."""


def create_plans(**monthly_calls: int | None) -> Plans:
    """The cloud's plans with these monthly calls by plan (None: unlimited) and any number of vehicles."""
    return CLOUD.override(monthly_calls=monthly_calls)
