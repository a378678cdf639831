"""How many calls a month a plan grants. Until plans are sold, no plan has a limit."""

ALLOWANCES: dict[str, int | None] = {"free": None, "basic": None, "pro": None}
"""Calls a quota month; None is unlimited."""

PUSH_PLANS = frozenset({"pro"})
"""Plans whose Home Assistants are told of changes instead of asking."""
