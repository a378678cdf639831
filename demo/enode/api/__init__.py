"""Enode's API, one module a chapter; each offers its ROUTES."""
