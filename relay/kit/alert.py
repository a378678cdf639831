"""Telling the operator by POST to an address of the operator's own: ntfy, Slack and the like read `text`."""

import logging
from collections.abc import Mapping

import httpx

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0


async def post_alert(url: str | None, body: Mapping[str, str]) -> bool:
    """POST `body` as JSON; False when it did not get through, which is logged. Without an address nothing is to do.

    The address is the environment's, not a user's, so it may lead anywhere. It may hold a token: it is not logged.
    """
    if url is None:
        return True
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as http:
            answer = await http.post(url, json=dict(body))
            answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.warning("an alert did not get through: %s", type(error).__name__)
        return False
    return True
