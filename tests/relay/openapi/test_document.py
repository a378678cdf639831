"""The OpenAPI document describes every operation completely, and says what docs/api.md and the code say."""

import ast
import re
from itertools import chain

import jsonschema
import pytest

from relay.kit.problem_responses import PROBLEM_CONTENT_TYPE
from relay.kit.problems import TITLES, TYPE_PREFIX
from relay.openapi.document import get_openapi_document
from relay.openapi.reference import load_reference
from tests.architecture.tree import list_files, read_text

MAX_SUMMARY_LENGTH = 60
RESPONSES_WITHOUT_BODY = {("POST", "/oauth/revoke", "200")}
OTHER_STATUSES = {("invalid-request", 400), ("command-refused", None)}
"""Statuses that only one route uses: a body that the client cut off, and Enode's own status on classic routes."""


@pytest.fixture
def document(app):
    return app.openapi()


@pytest.fixture
def operations(document):
    return {(method.upper(), path): it for path, item in document["paths"].items() for method, it in item.items()}


def list_contents(operations):
    """Each request and response body as (place, content)."""
    for route, operation in operations.items():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            yield (*route, "request"), content
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                yield (*route, status), content


def list_examples(content):
    examples = [content["example"]] if "example" in content else []
    return examples + [example["value"] for example in content.get("examples", {}).values()]


def test_every_operation_has_a_summary_of_its_own_and_a_description(operations):
    summaries = [operation["summary"] for operation in operations.values()]
    assert [route for route, it in operations.items() if not (it["summary"] and it["description"])] == []
    assert len(set(summaries)) == len(summaries)
    assert [text for text in summaries if len(text) > MAX_SUMMARY_LENGTH or text.endswith(".")] == []


def test_every_parameter_is_described(operations):
    described = {
        (route, parameter["name"]): parameter["description"]
        for route, operation in operations.items()
        for parameter in operation.get("parameters", ())
    }
    assert [place for place, text in described.items() if not text] == []


def test_every_body_has_a_schema_and_an_example(operations):
    assert [
        place
        for place, content in list_contents(operations)
        if not content.get("schema") or not (list_examples(content) or place[2] == "4XX" or is_oauth_error(place))
    ] == []


def is_oauth_error(place):
    """Whether a response has the format of RFC 6749. docs/api.md has an example of one of them."""
    return place[1].startswith("/oauth/") and place[2] in {"400", "401", "429", "503"}


def test_every_successful_response_has_a_body_unless_it_says_so(operations):
    without_body = {
        (*route, status)
        for route, operation in operations.items()
        for status, response in operation["responses"].items()
        if status.startswith("2") and not response.get("content")
    }
    assert {place for place in without_body if place[2] != "204"} == RESPONSES_WITHOUT_BODY


def test_every_operation_declares_its_errors_as_problems(operations):
    for route, operation in operations.items():
        responses = operation["responses"]
        assert "default" not in responses
        problems = {status for status, it in responses.items() if PROBLEM_CONTENT_TYPE in it.get("content", {})}
        assert "500" in problems, route
        if "Bearer" in str(operation.get("security")):
            assert {"401", "403", "503"} <= problems, route
        if "{" in route[1]:
            assert "404" in problems, route


def test_every_example_is_valid_for_its_schema(document, operations):
    failures = {}
    for place, content in list_contents(operations):
        for example in list_examples(content):
            validator = jsonschema.Draft202012Validator({**content["schema"], "components": document["components"]})
            if errors := [f"{error.json_path}: {error.message[:100]}" for error in validator.iter_errors(example)]:
                failures[place] = errors
    assert failures == {}


def test_no_example_leaves_members_out(operations):
    contents = list_contents(operations)
    assert [place for place, it in contents if any("'…'" in str(example) for example in list_examples(it))] == []


def test_every_status_of_an_example_of_the_docs_is_declared_with_its_type(operations):
    for example in load_reference().examples:
        if example.route is not None:
            assert example.response.first_line[1] in operations[example.route]["responses"], str(example)


@pytest.mark.parametrize(
    ("marker", "slug"), [("rate-limited", "too-many-requests"), ("Costs one call", "quota-exhausted")]
)
def test_errors_agree_with_what_the_description_says(marker, slug):
    sections = load_reference().sections
    assert [route for route, it in sections.items() if marker in it.description and slug not in it.errors] == []


def test_the_table_of_errors_has_the_status_that_the_code_uses():
    problems = load_reference().problems
    assert set(problems) == set(TITLES)
    different = [
        (path.as_posix(), slug, status)
        for path in list_files("relay/*.py")
        for slug, status in find_problems(read_text(path) or "")
        if status != problems[slug].status and not {(slug, status), (slug, None)} & OTHER_STATUSES
    ]
    assert different == []


def find_problems(source):
    """Slug and status of each `Problem(<status>, "<slug>", …)` in the source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem" and len(node.args) > 1:
            status, slug = node.args[:2]
            if isinstance(status, ast.Constant) and isinstance(slug, ast.Constant):
                yield slug.value, status.value


def test_texts_have_no_links_to_files_that_a_relay_does_not_serve(document, operations):
    texts = [document["info"]["description"], *(it["description"] for it in operations.values())]
    targets = chain.from_iterable(re.findall(r"\]\(([^)]+)\)", text) for text in texts)
    assert [target for target in targets if not target.startswith("https://")] == []


def test_operations_are_grouped_by_the_chapters_of_the_docs(document, operations):
    names = [tag["name"] for tag in document["tags"]]
    assert names == [name for name in load_reference().chapters if name in names]
    assert {tag for operation in operations.values() for tag in operation["tags"]} == set(names)


def test_a_problem_response_allows_only_its_own_types(document, operations):
    content = operations["GET", "/api/ha/v2/stream"]["responses"]["429"]["content"][PROBLEM_CONTENT_TYPE]
    schema = {**content["schema"], "components": document["components"]}
    problem = {"type": f"{TYPE_PREFIX}too-many-streams", "title": "x", "status": 429, "detail": "x"}
    jsonschema.validate(problem, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(problem | {"type": f"{TYPE_PREFIX}quota-exhausted"}, schema)


def test_the_operators_key_is_a_way_to_authenticate_not_a_parameter(document, operations):
    operation = operations["GET", "/metrics"]
    assert operation["security"] == [{"InternalKey": []}]
    assert operation["parameters"] == []
    assert document["components"]["securitySchemes"]["InternalKey"]["name"] == "X-Internal-API-Key"


def test_apps_with_the_same_routes_share_one_document(app):
    assert get_openapi_document(app) is get_openapi_document(app) is app.openapi()
