"""Clients of outside services. Each keeps its vendor's terms and raises errors of its own."""
