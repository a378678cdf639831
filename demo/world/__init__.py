"""Starts and drives everything around a simulated car: Enode's double, the relay, a real Home Assistant."""
