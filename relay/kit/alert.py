"""Alerts to the relay's operator: a POST to a URL of the operator's choice. ntfy, Slack and Mattermost read `text`."""

import logging
from collections.abc import Mapping

import httpx

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0


async def post_alert(url: str | None, body: Mapping[str, str]) -> bool:
    """POST `body` as JSON; False if that failed, which is logged. Without a URL, do nothing and return True.

    The URL comes from the environment, not from a user, so any address is allowed. It may contain a token and is never
    logged.
    """
    if url is None:
        return True
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as http:
            response = await http.post(url, json=dict(body))
            response.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.warning("operator alert failed error=%s", type(error).__name__)
        return False
    return True
