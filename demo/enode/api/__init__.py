"""Routes of Enode's API. Each module exports ROUTES."""
