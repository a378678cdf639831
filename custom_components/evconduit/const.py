import logging
from typing import Final

DOMAIN: Final = "evconduit"
LOGGER: Final = logging.getLogger(__package__)

DEFAULT_URL: Final = "https://backend.evconduit.com"
