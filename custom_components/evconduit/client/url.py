from ipaddress import ip_address
from typing import Final

from yarl import URL

LOCAL_DOMAINS: Final = (".local", ".localhost", ".lan", ".home", ".internal", ".home.arpa", ".localdomain")


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


def list_relay_urls(text: str) -> tuple[str, ...]:
    """Return the URLs that the address may mean, in the order to try. Raises ValueError if it can't be an address.

    Without `http://` or `https://` it is tried with https, and only in a local network without it too: elsewhere a
    credential would be sent in the clear, which the user must ask for.
    """
    text = text.strip()
    if has_scheme(text):
        return (parse_relay_url(text),)
    secure = parse_relay_url(f"https://{text}")
    if not _is_local(URL(secure).host or ""):
        return (secure,)
    return secure, parse_relay_url(f"http://{text}")


def has_scheme(text: str) -> bool:
    """Return whether the address says how to connect."""
    return "://" in text


def _is_local(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(LOCAL_DOMAINS)
