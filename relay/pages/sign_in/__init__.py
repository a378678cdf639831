"""Pages for signing in and out, registering and accepting the terms."""
