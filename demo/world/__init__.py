"""Start and control the demo: the Enode simulator, the relay and a real Home Assistant."""
