from yarl import URL


def parse_relay_url(text: str) -> str:
    """Normalize the relay URL that a user typed. Raises ValueError if it can't be one.

    A path is kept, for a relay behind a reverse proxy that serves it below one. Credentials, a query and a fragment
    are rejected, because dropping them silently would hide a mistake.
    """
    url = URL(text.strip())
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("not an HTTP URL")
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        raise ValueError("the URL has credentials, a query or a fragment")
    if url.port == 0:
        raise ValueError("invalid port")
    normalized = URL.build(scheme=url.scheme, host=url.host, port=url.port, path=url.path.rstrip("/"))
    return str(normalized).rstrip("/")
