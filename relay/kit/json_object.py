"""The type of a JSON object as it is parsed: its values are not checked."""

from collections.abc import Mapping
from typing import Any

type JsonObject = Mapping[str, Any]
