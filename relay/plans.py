"""The plans: what each one grants. Settings override the defaults; every limit in the relay reads this catalogue."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeIs

type PlanName = Literal["free", "basic", "pro"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What one plan grants; None is unlimited."""

    name: PlanName
    # Metered calls in a quota month.
    monthly_calls: int | None
    # Whether changes are pushed to the user's Home Assistants, so that they don't have to poll.
    has_push: bool
    # Linked vehicles beyond this number are listed by name, but not served.
    vehicle_limit: int | None


FREE = Plan(name="free", monthly_calls=300, has_push=False, vehicle_limit=1)
BASIC = Plan(name="basic", monthly_calls=2_500, has_push=False, vehicle_limit=3)
PRO = Plan(name="pro", monthly_calls=10_000, has_push=True, vehicle_limit=10)

PLAN_NAMES: tuple[PlanName, ...] = (FREE.name, BASIC.name, PRO.name)
SIGN_UP_PLAN: PlanName = FREE.name
"""The plan of an account that a user registers."""
OPERATOR_PLAN: PlanName = PRO.name
"""The plan of an account that the operator adds, and of a self-hosted relay's owner."""


def is_plan_name(text: str) -> TypeIs[PlanName]:
    """Whether this is the name of a plan."""
    return text in PLAN_NAMES


@dataclass(frozen=True, slots=True)
class Plans:
    """The catalogue of one relay: all plans with the limits that apply there."""

    plans: tuple[Plan, ...]
    push_plans: frozenset[str] = field(init=False, repr=False)
    """Names of the plans with push."""
    monthly_calls_json: str = field(init=False, repr=False)
    """Monthly calls by plan, as the statement that authorizes a call takes them. Serialized once: it runs per call."""
    _by_name: Mapping[str, Plan] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        calls = {plan.name: plan.monthly_calls for plan in self.plans}
        object.__setattr__(self, "push_plans", frozenset(plan.name for plan in self.plans if plan.has_push))
        object.__setattr__(self, "monthly_calls_json", json.dumps(calls))
        object.__setattr__(self, "_by_name", {plan.name: plan for plan in self.plans})

    def get(self, name: str) -> Plan:
        """The plan of this name. Raises KeyError for an unknown one."""
        return self._by_name[name]

    def get_vehicle_limits(self) -> dict[PlanName, int]:
        """Vehicle limits by plan; unlimited plans are left out."""
        return {plan.name: plan.vehicle_limit for plan in self.plans if plan.vehicle_limit is not None}

    def override(
        self,
        *,
        monthly_calls: Mapping[PlanName, int | None] | None = None,
        vehicle_limits: Mapping[PlanName, int | None] | None = None,
    ) -> Plans:
        """A copy with other limits for the plans that the mappings name; None is unlimited."""
        calls, vehicles = monthly_calls or {}, vehicle_limits or {}
        return Plans(
            tuple(
                replace(
                    plan,
                    monthly_calls=calls.get(plan.name, plan.monthly_calls),
                    vehicle_limit=vehicles.get(plan.name, plan.vehicle_limit),
                )
                for plan in self.plans
            )
        )


def _remove_limits(plans: Iterable[Plan]) -> tuple[Plan, ...]:
    return tuple(replace(plan, monthly_calls=None, has_push=True, vehicle_limit=None) for plan in plans)


CLOUD_PLANS = Plans((FREE, BASIC, PRO))
"""The default limits of a relay in cloud mode."""
SELF_HOSTED_PLANS = Plans(_remove_limits(CLOUD_PLANS.plans))
"""A self-hosted relay has no limits, on any plan."""
