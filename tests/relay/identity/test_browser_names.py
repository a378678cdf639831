"""The names of browsers in the list of signed-in sessions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.identity.browser_names import get_browser_name

APPLE, CHROME = "AppleWebKit/537.36 (KHTML, like Gecko)", "Chrome/142.0.0.0 Safari/537.36"
MAX_LENGTH = 60
"""As the table web_sessions requires."""


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {APPLE} {CHROME}", "Chrome, Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {APPLE} {CHROME} Edg/142.0.0.0", "Edge, Windows"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {APPLE} {CHROME} OPR/120.0.0.0", "Opera, macOS"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {APPLE} {CHROME}", "Chrome, ChromeOS"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {APPLE} {CHROME}", "Chrome, Android"),
        (f"Mozilla/5.0 (Linux; Android 15) {APPLE} SamsungBrowser/28.0 {CHROME}", "Samsung Internet, Android"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1",
            "Safari, iPhone",
        ),
        ("Mozilla/5.0 (iPad; CPU OS 19_0 like Mac OS X) CriOS/142.0 Mobile/15E148 Safari/604.1", "Chrome, iPad"),
        (
            "Home Assistant/2026.11 (io.robbie.HomeAssistant; iOS 19) Mobile/HomeAssistant iPhone",
            "Home Assistant, iPhone",
        ),
        ("curl/8.14.1", ""),
        ("", ""),
    ],
)
def test_name_is_that_of_the_browser_and_its_system(user_agent, name):
    assert get_browser_name(user_agent) == name


@given(st.lists(st.sampled_from(["Edg/", "Home Assistant/", "SamsungBrowser/", "ChromeOS", "CrOS", "\x00", "é"])))
def test_any_header_gives_a_short_name(parts):
    assert len(get_browser_name(" ".join(parts))) <= MAX_LENGTH
