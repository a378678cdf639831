"""What a plan grants: calls a month, and being told instead of asking. Decided by the relay's mode and its operator."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

PLANS = ("free", "basic", "pro")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plans:
    """What the plans grant on this relay.

    `calls`: of a quota month, for each plan; None is unlimited. `push`: plans whose Home Assistants are told of changes
    instead of asking.
    """

    calls: Mapping[str, int | None]
    push: frozenset[str]
    # `calls` as the one statement of a call wants them; made once, not on every call.
    as_json: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "as_json", json.dumps(dict(self.calls)))

    def limit(self, plan: str) -> int | None:
        """Calls a month; None is unlimited."""
        return self.calls[plan]


SELF_HOSTED = Plans(calls=dict.fromkeys(PLANS), push=frozenset(PLANS))
"""Whoever runs their own relay has no limits, whatever their plan is called."""


def cloud_plans(*, free: int | None, basic: int | None, pro: int | None) -> Plans:
    """What the operator of a relay for many grants."""
    return Plans(calls={"free": free, "basic": basic, "pro": pro}, push=frozenset({"pro"}))
