"""Where the service is when nobody says: the demo's of this platform folder, else the usual port of this machine."""

from typing import Final

from credit.demo.services import HOST, Service
from credit.platform import Home

DEFAULT_URL: Final = f"http://{HOST}:8000"


def default_url(home: Home) -> str:
    """Address of the demo's running service, or the default one."""
    running = Service(home).running()
    return DEFAULT_URL if running is None else f"http://{HOST}:{running.port}"
