"""scripts/audit and scripts/sbom say what is known about the locked packages."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jsonschema
import pytest

from scripts.lib import audit, run_tests, sbom

VULNERABILITY = {
    "id": "EXAMPLE-2026-1",
    "modified": "2026-01-02T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "summary": "an example",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "fastapi"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
        }
    ],
}
# What CycloneDX 1.5 requires of the members that we read or write.
COMPONENT = {
    "type": "object",
    "required": ["type", "name", "version", "purl"],
    "properties": {"purl": {"pattern": "^pkg:pypi/"}, "licenses": {"type": "array", "minItems": 1}},
}
BILL_OF_MATERIALS = {
    "type": "object",
    "required": ["bomFormat", "specVersion", "components", "dependencies"],
    "properties": {
        "bomFormat": {"const": "CycloneDX"},
        "specVersion": {"const": "1.5"},
        "components": {"type": "array", "minItems": 20, "items": COMPONENT},
    },
}


class OsvDouble(BaseHTTPRequestHandler):
    """A stand-in for the two requests of the OSV API that uv makes. It knows vulnerabilities of `vulnerable`."""

    vulnerable: frozenset[str] = frozenset()

    def do_POST(self) -> None:
        """Answer /v1/querybatch."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        vulns = {"vulns": [{"id": VULNERABILITY["id"], "modified": VULNERABILITY["modified"]}]}
        self._answer({"results": [vulns if q["package"]["name"] in self.vulnerable else {} for q in body["queries"]]})

    def do_GET(self) -> None:
        """Answer /v1/vulns/ID."""
        self._answer(VULNERABILITY)

    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""

    def _answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def osv_url() -> Iterator[str]:
    """Serve the stand-in on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), OsvDouble) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("vulnerable", "expected"),
    [("fastapi", (1, "EXAMPLE-2026-1")), ("a-package-that-is-not-locked", (0, "no known vulnerabilities"))],
)
def test_a_known_vulnerability_fails_the_audit(osv_url, monkeypatch, capfd, vulnerable, expected):
    monkeypatch.setattr(OsvDouble, "vulnerable", frozenset({vulnerable}))
    status, words = expected
    assert audit.main(["--service-url", osv_url]) == status
    assert words in capfd.readouterr().out


def test_an_audit_that_cannot_ask_says_so(capfd):
    assert audit.main(["--service-url", "http://127.0.0.1:9/"]) == 3
    assert "not checked for known vulnerabilities" in capfd.readouterr().out


@pytest.mark.parametrize(("status", "counts", "notes"), [(0, (1, 0), 0), (1, (0, 1), 0), (3, (0, 0), 1)])
def test_ci_fails_for_a_vulnerability_and_notes_what_was_not_checked(monkeypatch, capsys, status, counts, notes):
    monkeypatch.setattr(run_tests, "audit", lambda **_options: status)
    outcome = run_tests.run_audit()
    assert ((outcome.passed, outcome.failed), len(outcome.notes)) == (counts, notes)
    run_tests.print_summary([outcome], require_all=True)
    assert ("could not be reached" in capsys.readouterr().out) is bool(notes)


def test_the_bill_of_materials_lists_what_the_relay_installs_with_licences(tmp_path):
    file = tmp_path / "sbom.json"
    assert sbom.main(["--output", str(file)]) == 0
    content = json.loads(file.read_text())
    jsonschema.validate(content, BILL_OF_MATERIALS)
    components = {component["name"]: component for component in content["components"]}
    assert {"fastapi", "psycopg", "uvicorn"} <= set(components)
    assert "pytest" not in components
    assert components["fastapi"]["licenses"] == [{"expression": "MIT"}]
    assert components["certifi"]["licenses"] == [{"license": {"name": "Mozilla Public License 2.0 (MPL 2.0)"}}]


def test_a_package_that_is_not_installed_has_no_licence():
    assert sbom.find_licences("a-package-that-does-not-exist") == []


@pytest.mark.parametrize("command", [audit.main, sbom.main])
def test_a_missing_uv_is_named(monkeypatch, tmp_path, capsys, command):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert command([]) in {1, 3}
    assert "uv was not found" in "".join(capsys.readouterr())
