"""Link sessions: the page at Enode on which a person signs in with the vendor of their car."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from relay.gateways.enode.api import ApiCall, EnodeApi
from relay.gateways.enode.json_fields import JsonObject, parse_text, require_text


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSession:
    """A page to send the person to, good once and for 24 hours. Whoever holds the URL links a car to the user."""

    url: str = field(repr=False)
    token: str | None = field(repr=False)

    @classmethod
    def from_json(cls, source: JsonObject, operation: str) -> Self:
        """From Enode's JSON. Raises EnodeProtocolError."""
        return cls(url=require_text(source, "linkUrl", operation), token=parse_text(source, "linkToken"))


class Links:
    """Calls that open link sessions. An unused session is forgotten, so that asking twice does no harm."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def create(  # noqa: PLR0913  # Enode's own words for a session, all given by name
        self,
        user_id: str,
        *,
        scopes: Sequence[str],
        language: str,
        redirect_uri: str,
        vendor: str | None = None,
        color_scheme: str | None = None,
    ) -> LinkSession:
        """Begin linking for the user, who begins to exist at Enode with it.

        `vendor` skips the choice of a brand; `color_scheme` is system, light or dark. The person comes back to
        `redirect_uri`, with `error` and `error_message` in its query if they left early.

        Raises EnodeForbidden when the client's connections limit is reached, EnodeRefused for invalid arguments.
        """
        wanted = {
            "scopes": list(scopes),
            "language": language,
            "redirectUri": redirect_uri,
            "vendor": vendor,
            "colorScheme": color_scheme,
        }
        return await self._create_session("/users/{}/link", user_id, wanted)

    async def relink(
        self, asset_id: str, *, language: str, redirect_uri: str, color_scheme: str | None = None
    ) -> LinkSession:
        """Begin linking anew the vendor account behind a vehicle whose credentials died.

        Raises EnodeRefused when the vehicle is unknown or properly linked.
        """
        wanted = {"language": language, "redirectUri": redirect_uri, "colorScheme": color_scheme}
        return await self._create_session("/assets/{}/relink", asset_id, wanted)

    async def _create_session(
        self, route: str, target_id: str, members: Mapping[str, str | list[str] | None]
    ) -> LinkSession:
        body = {key: value for key, value in members.items() if value is not None}
        call = ApiCall(method="POST", route=route, ids=(target_id,), body=body)
        return LinkSession.from_json(await self._api.get_object(call), call.operation)
