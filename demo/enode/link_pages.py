"""The link page: brand, consent, sign-in with the choice of cars, and back to where the client wants its user."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from demo.enode.api.shared import sim_of
from demo.enode.catalogue import VENDORS
from demo.enode.linking import complete, find_session, models_in, validate
from demo.enode.sim import Simulator
from demo.enode.world import LinkSession

SEE_OTHER = 303
GONE = 410
UNPROCESSABLE = 422

SCOPE_WORDS = {
    "vehicle:read:data": "See battery, charging and odometer of your cars",
    "vehicle:read:location": "See where your cars are",
    "vehicle:control:charging": "Start and stop charging",
}

PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


async def show_page(request: Request) -> Response:
    """The step at which a link session is."""
    sim = sim_of(request)
    session = find_session(sim, request.path_params["token"])
    if session is None:
        return _gone()
    return _page(sim, session)


async def take_step(request: Request) -> Response:
    """One form of the link page: step=brand, consent, sign_in, back or cancel."""
    sim = sim_of(request)
    session = find_session(sim, request.path_params["token"])
    if session is None:
        return _gone()
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
            return _return(session, error="cancelledByUser", error_message="The user left before linking.")
        case _:
            return _page(sim, session, "That step is not open here.")
    sim.world.sessions[session.token] = session
    return RedirectResponse(request.url.path, SEE_OTHER)


def _sign_in(sim: Simulator, session: LinkSession, chosen: list[str]) -> Response:
    if session.relinks and session.vendor is not None:
        del sim.world.sessions[session.token]
        validate(sim, session.user_id, session.vendor)
        return _return(session)
    known = {model.key for model, _ in models_in(sim, session)}
    if not chosen or not set(chosen) <= known:
        return _page(sim, session, "Choose at least one car.")
    complete(sim, session, chosen)
    return _return(session)


def _page(sim: Simulator, session: LinkSession, mistake: str | None = None) -> Response:
    html = PAGES.get_template(_template(session)).render(
        session=session,
        vendor=None if session.vendor is None else VENDORS[session.vendor],
        vendors=VENDORS.values(),
        scopes=[SCOPE_WORDS.get(it, it) for it in session.scopes],
        cars=models_in(sim, session),
        mistake=mistake,
    )
    return HTMLResponse(html, UNPROCESSABLE if mistake else 200)


def _template(session: LinkSession) -> str:
    if session.vendor is None:
        return "brands.html"
    return "sign_in.html" if session.consented else "consent.html"


def _gone() -> Response:
    return HTMLResponse(PAGES.get_template("gone.html").render(session=None), GONE)


def _return(session: LinkSession, **extra: str) -> Response:
    parts = urlsplit(session.redirect_uri)
    query = "&".join(it for it in (parts.query, urlencode(extra)) if it)
    return RedirectResponse(urlunsplit(parts._replace(query=query)), SEE_OTHER)


ROUTES = [
    Route("/link/{token}", show_page, methods=["GET"]),
    Route("/link/{token}", take_step, methods=["POST"]),
]
