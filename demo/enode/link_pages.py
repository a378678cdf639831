"""The link page: brand, consent, sign-in with a choice of cars, and the redirect to the client."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from demo.enode.api.request_helpers import get_simulator
from demo.enode.catalogue import VENDORS
from demo.enode.linking import complete_link_session, find_link_session, list_linkable_models, restore_sign_in
from demo.enode.simulator import Simulator
from demo.enode.world import LinkSession

HTTP_SEE_OTHER = 303
HTTP_GONE = 410
HTTP_UNPROCESSABLE = 422

SCOPE_LABELS = {
    "vehicle:read:data": "See battery, charging and odometer of your cars",
    "vehicle:read:location": "See where your cars are",
    "vehicle:control:charging": "Start and stop charging",
}

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


async def show_step(request: Request) -> Response:
    """Show the present step of a link session."""
    sim = get_simulator(request)
    session = find_link_session(sim, request.path_params["token"])
    if session is None:
        return _render_expired()
    return _render_step(sim, session)


async def submit_step(request: Request) -> Response:
    """Handle a form of the link page: step=brand, consent, sign_in, back or cancel."""
    sim = get_simulator(request)
    session = find_link_session(sim, request.path_params["token"])
    if session is None:
        return _render_expired()
    form = parse_qs((await request.body()).decode(errors="replace"))
    vendor = form.get("vendor", [""])[0]
    match form.get("step", [""])[0]:
        case "brand" if vendor in VENDORS and not session.relinks:
            session = replace(session, vendor=vendor, consented=False)
        case "consent" if session.vendor is not None:
            session = replace(session, consented=True)
        case "back" if not session.relinks:
            session = replace(session, vendor=None, consented=False)
        case "sign_in" if session.vendor is not None and session.consented:
            return _sign_in(sim, session, form.get("car", []))
        case "cancel":
            del sim.world.sessions[session.token]
            return _redirect_to_client(session, error="cancelledByUser", error_message="The user left before linking.")
        case _:
            return _render_step(sim, session, "This step isn't available now.")
    sim.world.sessions[session.token] = session
    return RedirectResponse(request.url.path, HTTP_SEE_OTHER)


def _sign_in(sim: Simulator, session: LinkSession, chosen: list[str]) -> Response:
    if session.relinks and session.vendor is not None:
        del sim.world.sessions[session.token]
        restore_sign_in(sim, session.user_id, session.vendor)
        return _redirect_to_client(session)
    linkable = {model.key for model, _ in list_linkable_models(sim, session)}
    if not chosen or not set(chosen) <= linkable:
        return _render_step(sim, session, "Choose at least one car.")
    complete_link_session(sim, session, chosen)
    return _redirect_to_client(session)


def _render_step(sim: Simulator, session: LinkSession, error: str | None = None) -> Response:
    html = TEMPLATES.get_template(_choose_template(session)).render(
        session=session,
        vendor=None if session.vendor is None else VENDORS[session.vendor],
        vendors=VENDORS.values(),
        scopes=[SCOPE_LABELS.get(scope, scope) for scope in session.scopes],
        cars=list_linkable_models(sim, session),
        error=error,
    )
    return HTMLResponse(html, HTTP_UNPROCESSABLE if error else 200)


def _choose_template(session: LinkSession) -> str:
    if session.vendor is None:
        return "brands.html"
    return "sign_in.html" if session.consented else "consent.html"


def _render_expired() -> Response:
    return HTMLResponse(TEMPLATES.get_template("expired.html").render(session=None), HTTP_GONE)


def _redirect_to_client(session: LinkSession, **extra: str) -> Response:
    parts = urlsplit(session.redirect_uri)
    query = "&".join(part for part in (parts.query, urlencode(extra)) if part)
    return RedirectResponse(urlunsplit(parts._replace(query=query)), HTTP_SEE_OTHER)


ROUTES = [
    Route("/link/{token}", show_step, methods=["GET"]),
    Route("/link/{token}", submit_step, methods=["POST"]),
]
