"""The interventions: what a driver must do before a capability works. SIM: fictional."""

import uuid
from dataclasses import dataclass, field

NAMESPACE = uuid.UUID("6f3f6a0c-5d0b-4c55-9f2e-7e1d8f5a2b10")
CONTROL_CAPABILITIES = ("setMaxCurrent", "startCharging", "stopCharging", "smartCharging")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """An intervention. `title` and `description` (Markdown) are English; `translations` has both by language."""

    key: str
    """Its name in the control API."""
    vendor: str | None
    """None: all vendors."""
    brand: str | None
    domain: str
    title: str
    description: str
    access: str
    action: str | None
    blocked_capabilities: tuple[str, ...]
    """The capabilities it blocks when the control API raises it."""
    translations: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id; the same in every world."""
        return str(uuid.uuid5(NAMESPACE, self.key))

    def get_texts(self, language: str | None) -> tuple[str, str]:
        """Return title and description in a language; in English if there is no translation, as Enode does."""
        return self.translations.get(language or "", (self.title, self.description))


SIGN_IN_AGAIN = Intervention(
    key="sign-in-again",
    vendor=None,
    brand=None,
    domain="Account",
    title="Sign in again",
    description="The vendor no longer accepts the sign-in. Link the account once more.",
    access="Remote",
    action="Link",
    blocked_capabilities=("information", "chargeState", "location", "odometer", *CONTROL_CAPABILITIES),
    translations={
        "de-DE": ("Erneut anmelden", "Der Hersteller nimmt die Anmeldung nicht mehr an. Verbinde das Konto neu."),
        "nl-NL": ("Opnieuw inloggen", "De fabrikant accepteert de aanmelding niet meer. Koppel het account opnieuw."),
    },
)
PRIMARY_USER = Intervention(
    key="volkswagen-primary-user",
    vendor="VOLKSWAGEN",
    brand="Volkswagen",
    domain="Device",
    title="Become the primary user",
    description="Scan the car's two keys in the We Connect ID app to become its **primary user**.",
    access="Physical",
    action=None,
    blocked_capabilities=("location", "smartCharging"),
    translations={
        "de-DE": ("Hauptnutzer werden", "Scanne die zwei Schlüssel in We Connect ID, um **Hauptnutzer** zu werden."),
    },
)
VIRTUAL_KEY = Intervention(
    key="tesla-virtual-key",
    vendor="TESLA",
    brand="Tesla",
    domain="Device",
    title="Let the car take commands",
    description="Open the link page beside the car and add the **virtual key** to it.",
    access="Physical",
    action="Link",
    blocked_capabilities=CONTROL_CAPABILITIES,
    translations={
        "de-DE": ("Befehle erlauben", "Öffne die Seite neben dem Auto und füge den **virtuellen Schlüssel** hinzu."),
    },
)
REMOTE_ACCESS = Intervention(
    key="remote-access",
    vendor=None,
    brand=None,
    domain="Device",
    title="Turn remote access on",
    description="Allow remote access on the car's own screen.",
    access="Physical",
    action=None,
    blocked_capabilities=("chargeState", *CONTROL_CAPABILITIES),
)
INTERVENTIONS = {row.id: row for row in (SIGN_IN_AGAIN, PRIMARY_USER, VIRTUAL_KEY, REMOTE_ACCESS)}
INTERVENTIONS_BY_KEY = {row.key: row for row in INTERVENTIONS.values()}
