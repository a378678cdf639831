"""Simulated surroundings of EVConduit. Imports neither the relay nor the integration, so it is an oracle for tests."""
