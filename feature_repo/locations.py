"""Where the data of a platform folder lies: in the folder, unless the settings name another place."""

from pathlib import Path

from credit.platform import Home
from feature_repo.ingest.events import EventStore
from feature_repo.settings import FeatureSettings
from feature_repo.storage import Location


def events_location(home: Home, settings: FeatureSettings | None = None) -> Location:
    """The events folder."""
    return _location((settings or FeatureSettings()), "events_location", home.events)


def offline_location(home: Home, settings: FeatureSettings | None = None) -> Location:
    """The offline store."""
    return _location((settings or FeatureSettings()), "offline_location", home.offline)


def event_store(home: Home) -> EventStore:
    """Read access to the events.

    Raises:
        DataError: there are none.
    """
    return EventStore(events_location(home))


def _location(settings: FeatureSettings, name: str, default: Path) -> Location:
    return Location.of(getattr(settings, name) or default, settings.storage_endpoint)
