"""Validation of responses and events against Enode's own OpenAPI document, which is not part of this repository."""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DOCUMENT_MISSING = "shared/facts/enode-openapi.json is not available"
ROOT = Path(__file__).parents[3]
URI = "urn:enode"
METHODS = {"get", "post", "put", "patch", "delete"}


def document_path() -> Path:
    """Return the expected path of the document."""
    shared = os.environ.get("EVCONDUIT_SHARED")
    return (Path(shared) if shared else ROOT.parent / "shared") / "facts" / "enode-openapi.json"


class OpenApiValidator:
    """Finds differences between responses or events and Enode's document."""

    def __init__(self, document: dict[str, Any]) -> None:
        """Read the document, and repair schemas that can never be valid."""
        schemas = self._schemas = document["components"]["schemas"]
        self._routes = [
            (method.upper(), _compile_path(path), path, operation["responses"])
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            if method in METHODS
        ]
        # Fixed paths before those with a variable: /vehicles/actions/{id} is not a vehicle.
        self._routes.sort(key=lambda route: route[2].count("{"))
        self._events = {
            name: hook["post"]["requestBody"]["content"]["application/json"]["schema"]
            for name, hook in document["webhooks"].items()
        }
        repaired = {
            "closed": {name: _repair(schema, closed=True) for name, schema in schemas.items()},
            "open": {name: _repair(schema, closed=False) for name, schema in schemas.items()},
        }
        resource = Resource.from_contents(repaired, default_specification=DRAFT202012)
        self._registry = Registry().with_resource(URI, resource)
        self._validators: dict[int, Draft202012Validator] = {}
        self.seen: set[tuple[str, str, int]] = set()

    def find_answer_faults(self, method: str, path: str, status: int, body: bytes) -> list[str]:
        """List what is wrong with a response. Routes and statuses that Enode does not document are not checked."""
        for route_method, pattern, template, responses in self._routes:
            if route_method != method or not pattern.fullmatch(path) or str(status) not in responses:
                continue
            self.seen.add((method, template, status))
            schema = responses[str(status)].get("content", {}).get("application/json", {}).get("schema")
            if schema is None:
                return []
            return self._find_faults(schema, json.loads(body))
        return []

    def list_documented_answers(self) -> set[tuple[str, str, int]]:
        """List all documented responses as method, path and status."""
        return {(method, path, int(status)) for method, _, path, responses in self._routes for status in responses}

    def list_enum_values(self, schema: str, name: str) -> set[str]:
        """List the enum values of a property, or of its items."""
        found = self._schemas[schema]["properties"][name]
        found = found.get("items", found)
        if "$ref" in found:
            found = self._schemas[found["$ref"].rpartition("/")[2]]
        return set(found["enum"])

    def find_event_faults(self, event: dict[str, Any]) -> list[str]:
        """List what is wrong with an event."""
        if event["event"] not in self._events:
            return [f"{event['event']} is not an event of Enode's"]
        return self._find_faults(self._events[event["event"]], event)

    def _find_faults(self, schema: Any, instance: Any) -> list[str]:
        validator = self._validators.get(id(schema))
        if validator is None:
            validator = Draft202012Validator(
                _repair(schema, closed=True), registry=self._registry, format_checker=FormatChecker()
            )
            # The document lives as long as this object, so its ids are stable.
            self._validators[id(schema)] = validator
        return [
            f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(instance)
        ]


@cache
def load_validator() -> OpenApiValidator | None:
    """Return the validator; None if the document is not available."""
    path = document_path()
    return OpenApiValidator(json.loads(path.read_text())) if path.is_file() else None


def _compile_path(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{[^/]+\\}", "[^/]+", re.escape(template)))


def _repair(schema: Any, *, closed: bool) -> Any:
    """Return a schema with its intended meaning.

    The document's generator (1) forbids in each part of an `allOf` the properties of the other parts, so that nothing
    is valid; (2) declares "nullable" in a later part of an `allOf` whose first part does not allow null; (3) omits null
    from nullable enums.
    """
    if isinstance(schema, list):
        return [_repair(part, closed=closed) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {"$ref": f"{URI}#/{'closed' if closed else 'open'}/{name}"}
    if "allOf" in schema:
        return _repair_all_of(schema, closed=closed)
    fixed = {
        key: {name: _repair(part, closed=True) for name, part in value.items()}
        if key == "properties"
        else _repair(value, closed=closed if key in {"anyOf", "oneOf"} else True)
        for key, value in schema.items()
        if key not in {"example", "examples", "default", "additionalProperties", "x-format"}
    }
    if closed and schema.get("additionalProperties") is False:
        fixed["additionalProperties"] = False
    if "enum" in schema and "null" in schema.get("type", []):
        fixed["enum"] = [*schema["enum"], None]
    return fixed


def _repair_all_of(schema: dict[str, Any], *, closed: bool) -> dict[str, Any]:
    parts = schema["allOf"]
    nullable = any(isinstance(part.get("type"), list) and "null" in part["type"] for part in parts[1:])
    fixed: dict[str, Any] = {"allOf": [_repair(part, closed=False) for part in parts]}
    if closed and any("properties" in part for part in parts):
        fixed["unevaluatedProperties"] = False
    return {"anyOf": [fixed, {"type": "null"}]} if nullable else fixed
