"""Compare a response with the structure of an example of docs/api.md.

Values are examples, so tests compare statuses, header names, and the structure of bodies. In a structure, null is null,
the first item of a list stands for all, and a member named `…` allows members that aren't shown.
"""

import json
from itertools import chain

from relay.openapi.examples import MORE_MEMBERS


def find_differences(expected: object, actual: object, path: str = "response") -> list[str]:
    """Where the structure of `actual` differs from that of `expected`."""
    if _get_kind(expected) != _get_kind(actual):
        return [f"{path} is {_get_kind(actual)}, expected {_get_kind(expected)}"]
    if isinstance(expected, dict):
        return _find_object_differences(expected, actual, path)
    if isinstance(expected, list):
        if bool(expected) != bool(actual):
            return [f"{path} has {len(actual)} items, expected {len(expected)}"]
        items = [find_differences(expected[0], item, f"{path}[{number}]") for number, item in enumerate(actual)]
        return list(chain.from_iterable(items))
    return []


def _find_object_differences(expected: dict, actual: dict, path: str) -> list[str]:
    members = expected.keys() - {MORE_MEMBERS}
    differences = [f"{path} lacks {key}" for key in members - actual.keys()]
    if MORE_MEMBERS not in expected:
        differences += [f"{path}.{key} is not documented" for key in actual.keys() - members]
    nested = [find_differences(expected[key], actual[key], f"{path}.{key}") for key in sorted(members & actual.keys())]
    return [*differences, *chain.from_iterable(nested)]


def _get_kind(value: object) -> str:
    kinds = {type(None): "null", bool: "a boolean", str: "a string", dict: "an object", list: "an array"}
    return kinds.get(type(value), "a number")


def parse_body(body: str) -> object:
    """The body as JSON, or as text if it isn't JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return body
