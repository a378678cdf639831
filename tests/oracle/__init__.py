"""The oracle: random days of simulated cars, and what the relay makes of their reports compared with the physics."""
