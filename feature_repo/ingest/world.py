"""The present and the calendar of the data world: stated in `later/world.json`, else by options and the data."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from credit.clock import Calendar
from credit.errors import DataError
from feature_repo.ingest.events import CalendarMeta


class _WorldFile(BaseModel):
    """What ingestion takes from the file; who made the data may note more in it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    as_of_now: datetime
    calendar: CalendarMeta


@dataclass(frozen=True, slots=True)
class World:
    """`as_of_now` None: the day after the newest application."""

    calendar: Calendar
    as_of_now: datetime | None


def read_world(path: Path | None, default: Calendar) -> World:
    """The stated world, or the default calendar with an open present.

    Raises:
        DataError: the file is no valid statement of a world.
    """
    if path is None:
        return World(default, None)
    try:
        stated = _WorldFile.model_validate_json(path.read_text("utf-8"))
        return World(stated.calendar.calendar(), _utc(stated.as_of_now))
    except (ValidationError, ValueError, OSError) as error:
        raise DataError(f"{path} does not state a world (as_of_now, calendar: start, weeks, seed): {error}") from None


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
