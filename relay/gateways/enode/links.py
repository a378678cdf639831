"""Link sessions: the page at Enode on which a user signs in with the vendor of their vehicle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from relay.gateways.enode.api import ApiCall, EnodeApi
from relay.gateways.enode.json_fields import parse_text, require_text
from relay.kit.json_object import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSession:
    """A link page, valid once and for 24 hours. Its URL is a secret: any holder can link a vehicle to the user."""

    url: str = field(repr=False)
    token: str | None = field(repr=False)

    @classmethod
    def from_json(cls, source: JsonObject, operation: str) -> Self:
        """Parse Enode's JSON. Raises EnodeProtocolError."""
        return cls(url=require_text(source, "linkUrl", operation), token=parse_text(source, "linkToken"))


class Links:
    """Calls that create link sessions. An unused session simply expires, so creating one again is harmless."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def create(  # noqa: PLR0913  # the members of Enode's request, all keyword-only
        self,
        user_id: str,
        *,
        scopes: Sequence[str],
        language: str,
        redirect_uri: str,
        vendor: str | None = None,
        color_scheme: str | None = None,
    ) -> LinkSession:
        """Create a link session for the user. The first one also creates the user at Enode.

        `vendor` skips the choice of a brand; `color_scheme` is system, light or dark. Enode redirects the user to
        `redirect_uri`, with `error` and `error_message` in its query if they cancelled.

        Raises EnodeForbidden when the client's connections limit is reached, EnodeRefused for invalid arguments.
        """
        members = {
            "scopes": list(scopes),
            "language": language,
            "redirectUri": redirect_uri,
            "vendor": vendor,
            "colorScheme": color_scheme,
        }
        return await self._create_session("/users/{}/link", user_id, members)

    async def relink(
        self, asset_id: str, *, language: str, redirect_uri: str, color_scheme: str | None = None
    ) -> LinkSession:
        """Create a session that relinks the vendor account of a vehicle whose vendor credentials became invalid.

        Raises EnodeRefused if the vehicle is unknown or its link is valid.
        """
        members = {"language": language, "redirectUri": redirect_uri, "colorScheme": color_scheme}
        return await self._create_session("/assets/{}/relink", asset_id, members)

    async def _create_session(
        self, route: str, target_id: str, members: Mapping[str, str | list[str] | None]
    ) -> LinkSession:
        body = {key: value for key, value in members.items() if value is not None}
        call = ApiCall(method="POST", route=route, ids=(target_id,), body=body)
        return LinkSession.from_json(await self._api.get_object(call), call.operation)
