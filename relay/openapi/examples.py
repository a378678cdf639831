"""Turn the examples of docs/api.md into examples of OpenAPI, which have all members that their schema requires.

In docs/api.md, a member named `…` stands for members that aren't shown. They're completed with another example of the
same schema.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from relay.kit.json_object import JsonObject
from relay.openapi.reference import Message

MORE_MEMBERS = "…"
FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"


def parse_example_body(message: Message) -> Any:
    """The body of a message: JSON, the fields of a form, or text."""
    if message.headers.get("Content-Type") == FORM_CONTENT_TYPE:
        return dict(parse_qsl(message.body))
    try:
        return json.loads(message.body)
    except ValueError:
        return message.body


class ExampleCompleter:
    """Completes examples by the schemas of a document, from the examples that were given to `learn`."""

    def __init__(self, schemas: Mapping[str, JsonObject]) -> None:
        self._schemas = schemas
        self._complete: dict[str, JsonObject] = {}

    def learn(self, value: Any, schema: JsonObject) -> None:
        """Remember the complete objects in `value`, by the name of their schema."""
        for name, found in self._list_named_objects(value, schema):
            if MORE_MEMBERS not in found:
                self._complete.setdefault(name, found)

    def complete(self, value: Any, schema: JsonObject) -> Any:
        """`value` with the members that it leaves out, as far as an example of its schema has them."""
        name, resolved = self._resolve(schema, value)
        if isinstance(value, list):
            return [self.complete(item, resolved.get("items", {})) for item in value]
        if not isinstance(value, dict):
            return value
        members = {key: member for key, member in value.items() if key != MORE_MEMBERS}
        if MORE_MEMBERS in value and name is not None:
            members = {**self._complete.get(name, {}), **members}
        properties = resolved.get("properties", {})
        return {key: self.complete(member, properties.get(key, {})) for key, member in members.items()}

    def _list_named_objects(self, value: Any, schema: JsonObject) -> Iterator[tuple[str, JsonObject]]:
        name, resolved = self._resolve(schema, value)
        if isinstance(value, list):
            for item in value:
                yield from self._list_named_objects(item, resolved.get("items", {}))
        elif isinstance(value, dict):
            if name is not None:
                yield name, value
            for key, member in value.items():
                yield from self._list_named_objects(member, resolved.get("properties", {}).get(key, {}))

    def _resolve(self, schema: JsonObject, value: Any) -> tuple[str | None, JsonObject]:
        """The schema of this value with its name, after `$ref` and the alternative that isn't null."""
        for candidate in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())):
            if "$ref" in candidate and value is not None:
                name = str(candidate["$ref"]).rpartition("/")[2]
                return name, self._schemas.get(name, {})
        return None, next((candidate for candidate in schema.get("anyOf", ()) if "properties" in candidate), schema)
