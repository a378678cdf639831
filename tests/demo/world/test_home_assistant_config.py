import json
from pathlib import Path

import pytest
import yaml

from demo.world.errors import ComponentError
from demo.world.home_assistant_config import write_config


@pytest.fixture
def integration(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout" / "evconduit"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}", "utf-8")
    return folder


def write_test_config(tmp_path: Path, integration: Path, *, port: int = 18123) -> Path:
    folder = tmp_path / "config"
    write_config(folder, port=port, home=(52.1, 5.2), integration=integration)
    return folder


def read_storage(folder: Path, name: str) -> dict:
    return json.loads((folder / ".storage" / name).read_text("utf-8"))


def test_home_assistant_listens_on_loopback_permanently(tmp_path, integration):
    http = read_storage(write_test_config(tmp_path, integration), "http")
    assert (http["version"], http["minor_version"]) == (2, 2)  # required by Home Assistant 2026.10
    assert http["data"]["stable"]["server_host"] == ["127.0.0.1"]
    assert http["data"]["stable"]["server_port"] == 18123
    assert http["data"]["pending"] is None


def test_configuration_has_no_http_and_no_internet_integrations(tmp_path, integration):
    configuration = yaml.safe_load((write_test_config(tmp_path, integration) / "configuration.yaml").read_text("utf-8"))
    assert {"homeassistant", "recorder", "history"} < configuration.keys()
    assert not {"default_config", "http", "cloud", "met", "my"} & configuration.keys()
    assert configuration["homeassistant"]["latitude"] == 52.1


def test_integration_of_the_checkout_is_linked(tmp_path, integration):
    components = write_test_config(tmp_path, integration) / "custom_components"
    assert (components / "evconduit").resolve() == integration
    assert (components / "__init__.py").exists()


def test_later_start_updates_the_port_and_keeps_other_files(tmp_path, integration):
    folder = write_test_config(tmp_path, integration)
    (folder / ".storage" / "onboarding").write_text('{"done": "by Home Assistant"}', "utf-8")
    write_test_config(tmp_path, integration, port=18999)
    assert read_storage(folder, "http")["data"]["stable"]["server_port"] == 18999
    assert read_storage(folder, "onboarding") == {"done": "by Home Assistant"}


def test_missing_integration_raises_an_error(tmp_path):
    with pytest.raises(ComponentError, match="run the demo from a checkout"):
        write_test_config(tmp_path, tmp_path / "nowhere")
