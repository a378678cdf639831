"""SQL for the start and end of the quota month, which begins a whole number of months (UTC) after the user's anchor."""

# The anchor's day is at most 28, so every month has it. `u` is the users row.
_OFFSET = "((u.quota_anchor at time zone 'UTC') - date_trunc('month', u.quota_anchor at time zone 'UTC'))"
_NOW = "(now() at time zone 'UTC')"

PERIOD_START = f"""
(date_trunc('month', {_NOW} - {_OFFSET}) + {_OFFSET}) at time zone 'UTC'
"""
"""Start of the current quota month."""

RESETS_AT = f"""
(date_trunc('month', {_NOW} - {_OFFSET}) + interval '1 month' + {_OFFSET}) at time zone 'UTC'
"""
"""Start of the next quota month."""
