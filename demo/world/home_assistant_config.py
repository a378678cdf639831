"""Write the demo's Home Assistant configuration: loopback only, onboarded, without internet access.

Written for Home Assistant 2026.10. Storage versions differ between releases, and a wrong one prevents the start.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo.world.errors import ComponentError
from demo.world.ports import HOST

# The home zone is where the first car was linked, so that its tracker can be "home". No `http:` here: Home Assistant
# would treat it as pending and return to its default port after five minutes.
CONFIGURATION = """\
homeassistant:
  name: Home
  latitude: {latitude}
  longitude: {longitude}
  radius: 150
  unit_system: metric
  currency: EUR
  country: NL
  language: en
  time_zone: Europe/Amsterdam
  external_url: http://{host}:{port}
frontend:
config:
history:
logbook:
recorder:
  commit_interval: 1
logger:
  default: warning
  logs:
    custom_components.evconduit: info
"""


def write_config(folder: Path, *, port: int, home: tuple[float, float], integration: Path) -> None:
    """Write the configuration for the next start. Data of earlier runs stays."""
    if not (integration / "manifest.json").is_file():
        raise ComponentError(f"the integration was not found at {integration}: run the demo from a checkout")
    storage = folder / ".storage"
    components = folder / "custom_components"
    storage.mkdir(parents=True, exist_ok=True)
    components.mkdir(exist_ok=True)
    (components / "__init__.py").touch()  # otherwise another custom_components on Python's path would take precedence
    link = components / integration.name
    link.unlink(missing_ok=True)
    link.symlink_to(integration, target_is_directory=True)
    text = CONFIGURATION.format(latitude=home[0], longitude=home[1], host=HOST, port=port)
    (folder / "configuration.yaml").write_text(text, "utf-8")
    _write_storage(storage, "http", (2, 2), _build_http_storage(port))
    if not (storage / "onboarding").exists():
        # The other steps would set up integrations that poll the internet.
        _write_storage(storage, "onboarding", (4, 1), {"done": ["core_config", "analytics", "integration"]})


def _build_http_storage(port: int) -> dict[str, Any]:
    stable = {
        "server_host": [HOST],
        "server_port": port,
        "cors_allowed_origins": [],
        "login_attempts_threshold": -1,
        "ip_ban_enabled": True,
        "ssl_profile": "modern",
        "use_x_frame_options": True,
        "created_at": datetime.now(UTC).isoformat(),
        "error": None,
        "error_message": None,
    }
    return {"stable": stable, "pending": None, "yaml_migration_done": True}


def _write_storage(storage: Path, key: str, version: tuple[int, int], data: dict[str, Any]) -> None:
    major, minor = version
    content = {"version": major, "minor_version": minor, "key": key, "data": data}
    (storage / key).write_text(json.dumps(content, indent=2), "utf-8")
