"""How many cars a plan has room for."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleLimits:
    """Served cars by plan; a plan that is not named has room for any number."""

    by_plan: Mapping[str, int] = field(default_factory=dict)

    def get_limit(self, plan: str) -> int | None:
        """The most cars that are served on this plan; None is unlimited."""
        return self.by_plan.get(plan)


UNLIMITED_VEHICLES = VehicleLimits()
