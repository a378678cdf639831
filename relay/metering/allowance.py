"""What a plan grants: calls a month, and being told instead of asking. Decided by the relay's mode and its operator."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

PLAN_NAMES = ("free", "basic", "pro")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plans:
    """What the plans grant on this relay.

    `calls`: of a quota month, for each plan; None is unlimited. `push`: plans whose Home Assistants are told of changes
    instead of asking.
    """

    monthly_calls: Mapping[str, int | None]
    push_plans: frozenset[str]
    # `calls` as the one statement of a call wants them; made once, not on every call.
    as_json: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "as_json", json.dumps(dict(self.monthly_calls)))

    def get_limit(self, plan: str) -> int | None:
        """Calls a month; None is unlimited."""
        return self.monthly_calls[plan]


SELF_HOSTED_PLANS = Plans(monthly_calls=dict.fromkeys(PLAN_NAMES), push_plans=frozenset(PLAN_NAMES))
"""Whoever runs their own relay has no limits, whatever their plan is called."""


def create_cloud_plans(*, free: int | None, basic: int | None, pro: int | None) -> Plans:
    """What the operator of a relay for many grants."""
    return Plans(monthly_calls={"free": free, "basic": basic, "pro": pro}, push_plans=frozenset({"pro"}))
