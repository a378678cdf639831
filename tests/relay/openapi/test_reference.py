"""docs/api.md is parsed into chapters, sections, examples and tables."""

import pytest

from relay.openapi.reference import load_reference, parse_reference

TEXT = """\
# First

A chapter with a [link](other.md) and a [site](https://example.org).

```
# not a heading
```

## Things

### `GET /things`

**List things.** They're sorted.

* by name

Errors: `not-found`, `too-large`.

```json
{"things": []}
```

```http
GET /things?limit=2
X-Header: a: b

HTTP/1.1 200

{"things": []}
```

# Parameters

| parameter | meaning |
|---|---|
| `limit` | How many. |

# Errors

| slug | status | meaning |
|---|---|---|
| `not-found` | 404 | It doesn't exist. `more` |

```http
GET /nothing

HTTP/1.1 404
```
"""


@pytest.fixture(scope="module")
def reference():
    return parse_reference(TEXT)


def test_a_section_has_its_chapter_summary_description_errors_and_body(reference):
    section = reference.sections["GET", "/things"]
    assert (section.chapter, section.summary, section.errors) == ("Things", "List things", ["not-found", "too-large"])
    assert section.description == "They're sorted.\n\n* by name"
    assert section.body == '{"things": []}'


def test_an_example_belongs_to_the_section_it_is_in(reference):
    inside, outside = reference.examples
    assert (inside.route, outside.route) == (("GET", "/things"), None)
    assert (inside.request.first_line, inside.request.headers) == (["GET", "/things?limit=2"], {"X-Header": "a: b"})
    assert (inside.response.first_line, inside.response.body) == (["HTTP/1.1", "200"], '{"things": []}')
    assert str(outside).endswith(": GET /nothing → 404")


def test_a_chapter_keeps_its_blocks_and_loses_links_to_other_documents(reference):
    text = reference.chapters["First"]
    assert "a link and a [site](https://example.org)" in text
    assert "# not a heading" in text


def test_tables_are_read_only_where_they_belong(reference):
    assert reference.parameters == {"limit": "How many."}
    assert {slug: (it.status, it.meaning) for slug, it in reference.problems.items()} == {
        "not-found": (404, "It doesn't exist. `more`")
    }


def test_a_section_without_a_summary_is_parsed_as_a_description():
    section = parse_reference("### `GET /a`\n\nPlain text.").sections["GET", "/a"]
    assert (section.summary, section.description, section.errors, section.body) == ("", "Plain text.", [], "")


def test_the_reference_is_read_once():
    assert load_reference() is load_reference()
