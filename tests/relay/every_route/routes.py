"""All routes of the app and how to call them. Routes that are added later are tested without any change here.

If a test reports an unknown name: a field of a body belongs into BODY_VALUES, an id in a path into conftest.OWNED_IDS.
"""

import re

from relay.pages.site import ROUTERS

BODY_VALUES = {
    "action": "START",
    "amps": 10,
    "odometer_km": 12.5,
    "energy_kwh": 12.5,
    "confirm": "true",
    "external_url": "https://home.example.org",
    "webhook_id": "01JD3W4Q9G",
}
"""Valid values for fields of request bodies, so that only the id in a request is wrong."""

UNOWNED_PATH_VALUES = {"token": "evl_" + "A" * 43, "name": "github"}
"""Path parameters that belong to no user: every holder of a link's token may use it, and providers are public."""

PATH_PARAMETER = re.compile(r"\{(\w+)\}")

STREAM_PATH = "/api/ha/v2/stream"
"""Its response never ends, so it is tested elsewhere."""


def list_operations(app):
    """(method, path, operation) of each operation of the API."""
    document = app.openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def list_routes_with_ids(app):
    """(method, path, required fields of the body) of each route, pages included, that has an id in its path."""
    for method, path, operation in list_operations(app):
        if set(PATH_PARAMETER.findall(path)) - UNOWNED_PATH_VALUES.keys():
            yield method, path, list_required_fields(app.openapi(), operation)
    for router in ROUTERS:
        for route in router.routes:
            if set(PATH_PARAMETER.findall(route.path)) - UNOWNED_PATH_VALUES.keys():
                for method in route.methods - {"HEAD"}:
                    yield method, route.path, ()


def list_required_fields(document, operation):
    """Names of the required fields of the operation's body."""
    return tuple(field for schema in _list_body_schemas(document, operation) for field in schema.get("required", ()))


def list_fields(document, operation):
    """Names of all fields of the operation's body."""
    return [field for schema in _list_body_schemas(document, operation) for field in schema.get("properties", ())]


def _list_body_schemas(document, operation):
    content = operation.get("requestBody", {}).get("content", {})
    names = [media_type["schema"].get("$ref", "").rpartition("/")[2] for media_type in content.values()]
    return [document["components"]["schemas"].get(name, {}) for name in names]


def fill_path(path, values):
    """Replace the path's parameters."""
    return PATH_PARAMETER.sub(lambda name: values[name[1]], path)
