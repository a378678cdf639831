"""Each outside service in its own words, with its own errors."""
