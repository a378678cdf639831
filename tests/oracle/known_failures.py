"""Days without faults (by seed) and kinds of faults that still fail in the fixed share of tests, with the reason.

The tests are strict: what no longer fails must be removed from this table.
"""

KNOWN_FAILURES: dict[int | str, str] = {}
