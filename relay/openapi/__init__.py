"""The OpenAPI document: what the routes declare, with the texts, examples and errors of docs/api.md."""
