"""The quota month: anchor + n months in UTC, half-open, as SQL, because the one statement of a call needs it inside."""

# The anchor's day is at most 28, so its offset into the month exists in every month. `u` is the users row.
_OFFSET = "((u.quota_anchor at time zone 'UTC') - date_trunc('month', u.quota_anchor at time zone 'UTC'))"
_NOW = "(now() at time zone 'UTC')"

PERIOD_START = f"""
(date_trunc('month', {_NOW} - {_OFFSET}) + {_OFFSET}) at time zone 'UTC'
"""
"""Start of the month that now falls into."""

RESETS_AT = f"""
(date_trunc('month', {_NOW} - {_OFFSET}) + interval '1 month' + {_OFFSET}) at time zone 'UTC'
"""
"""Start of the next one."""
