"""Server-sent event streams: the hub that fans changes out, one listener per stream, the rendering and the response."""
