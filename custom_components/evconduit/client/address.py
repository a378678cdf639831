from yarl import URL


def relay_address(text: str) -> str:
    """The address of a relay as a user typed it, in one spelling. Raises ValueError for what cannot be one.

    A path stays, for a relay behind a proxy that gives it a folder. Credentials, query and fragment are refused rather
    than dropped: who types them means something by them.
    """
    url = URL(text.strip())
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("not an address of the web")
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        raise ValueError("more than an address")
    if url.port == 0:
        raise ValueError("no such port")
    plain = URL.build(scheme=url.scheme, host=url.host, port=url.port, path=url.path.rstrip("/"))
    return str(plain).rstrip("/")
