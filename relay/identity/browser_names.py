"""Name the browser of a signed-in session by its `User-Agent`, so that users recognise their sessions in a list.

The header proves nothing: any client can send any text. Only names of the tables below are stored.
"""

# In this order: most browsers also name those that they are compatible with. Their vendors document these tokens.
_BROWSERS = (
    ("Home Assistant", ("Home Assistant/",)),
    ("Edge", ("Edg/", "EdgA/", "EdgiOS/")),
    ("Opera", ("OPR/",)),
    ("Samsung Internet", ("SamsungBrowser/",)),
    ("Firefox", ("Firefox/", "FxiOS/")),
    ("Chrome", ("Chrome/", "CriOS/")),
    ("Safari", ("Safari/",)),
)
_SYSTEMS = (
    ("iPhone", ("iPhone",)),
    ("iPad", ("iPad",)),
    ("Android", ("Android",)),
    ("Windows", ("Windows",)),
    ("ChromeOS", ("CrOS",)),
    ("macOS", ("Macintosh",)),
    ("Linux", ("Linux",)),
)


def get_browser_name(user_agent: str) -> str:
    """Return browser and system, such as "Firefox, Android", as far as the header names them; "" if neither."""
    names = (_find_name(_BROWSERS, user_agent), _find_name(_SYSTEMS, user_agent))
    return ", ".join(name for name in names if name)


def _find_name(table: tuple[tuple[str, tuple[str, ...]], ...], user_agent: str) -> str | None:
    return next((name for name, tokens in table if any(token in user_agent for token in tokens)), None)
