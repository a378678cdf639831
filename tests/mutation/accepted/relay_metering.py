"""Accepted mutants of relay/metering, relay/plans.py and relay/usecases."""

from scripts.lib.mutation.tables import AcceptedRow

ACCEPTED: tuple[AcceptedRow, ...] = (
    AcceptedRow(
        module="relay/metering/poll_schedule.py",
        function="plan_poll_interval",
        old="spare_rate = activity.value * spare_calls / max(1.0, remaining_time.total_seconds())",
        new="spare_rate = activity.value * spare_calls / max(2.0, remaining_time.total_seconds())",
        reason="A guard against division by zero: in the last two seconds any call gives the shortest interval.",
    ),
    AcceptedRow(
        module="relay/plans.py",
        function="_remove_limits",
        old=("return tuple(replace(plan, monthly_calls=None, has_push=True, vehicle_limit=None) for plan in plans)"),
        new="return tuple(None)",
        reason="It runs at import, when no mutant is active yet. Pairs mutate it.",
    ),
    AcceptedRow(
        module="relay/plans.py",
        function="_remove_limits",
        old=("return tuple(replace(plan, monthly_calls=None, has_push=True, vehicle_limit=None) for plan in plans)"),
        new=("return tuple(replace(None, monthly_calls=None, has_push=True, vehicle_limit=None) for plan in plans)"),
        reason="It runs at import, when no mutant is active yet. Pairs mutate it.",
    ),
    AcceptedRow(
        module="relay/plans.py",
        function="_remove_limits",
        old=("return tuple(replace(plan, monthly_calls=None, has_push=True, vehicle_limit=None) for plan in plans)"),
        new=("return tuple(replace(plan, monthly_calls=None, has_push=None, vehicle_limit=None) for plan in plans)"),
        reason="It runs at import, when no mutant is active yet. Pairs mutate it.",
    ),
    AcceptedRow(
        module="relay/plans.py",
        function="_remove_limits",
        old=("return tuple(replace(plan, monthly_calls=None, has_push=True, vehicle_limit=None) for plan in plans)"),
        new="return tuple(replace(monthly_calls=None, has_push=True, vehicle_limit=None) for plan in plans)",
        reason="It runs at import, when no mutant is active yet. Pairs mutate it.",
    ),
    AcceptedRow(
        module="relay/plans.py",
        function="_remove_limits",
        old=("return tuple(replace(plan, monthly_calls=None, has_push=True, vehicle_limit=None) for plan in plans)"),
        new="return tuple(replace(plan, has_push=True, vehicle_limit=None) for plan in plans)",
        reason="It runs at import, when no mutant is active yet. Pairs mutate it.",
    ),
    AcceptedRow(
        module="relay/plans.py",
        function="_remove_limits",
        old=("return tuple(replace(plan, monthly_calls=None, has_push=True, vehicle_limit=None) for plan in plans)"),
        new="return tuple(replace(plan, monthly_calls=None, vehicle_limit=None) for plan in plans)",
        reason="It runs at import, when no mutant is active yet. Pairs mutate it.",
    ),
    AcceptedRow(
        module="relay/plans.py",
        function="_remove_limits",
        old=("return tuple(replace(plan, monthly_calls=None, has_push=True, vehicle_limit=None) for plan in plans)"),
        new="return tuple(replace(plan, monthly_calls=None, has_push=True, ) for plan in plans)",
        reason="It runs at import, when no mutant is active yet. Pairs mutate it.",
    ),
    AcceptedRow(
        module="relay/plans.py",
        function="_remove_limits",
        old=("return tuple(replace(plan, monthly_calls=None, has_push=True, vehicle_limit=None) for plan in plans)"),
        new=("return tuple(replace(plan, monthly_calls=None, has_push=False, vehicle_limit=None) for plan in plans)"),
        reason="It runs at import, when no mutant is active yet. Pairs mutate it.",
    ),
)
