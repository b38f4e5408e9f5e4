"""The chain: each record's hash covers the one before it, so that nothing is altered, dropped or slipped in unseen."""

import hashlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from credit.errors import DataError
from credit.schemas.features import Frozen

#: What the first record is chained to.
GENESIS: Final = "0" * 64


class Head(Frozen):
    """The end of a chain: how many records it has, the last one's hash and where that came from."""

    format: int = 1
    sequence: int = 0
    hash: str = GENESIS
    entry: str = ""


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to archive.

    Attributes:
        entry: id of the stream's entry that held it.
        record_id: UUIDv7 of the record itself.
        decision_id: of the decision that it is, or is about.
        client_id: whom it is about.
        text: the record's JSON to the letter as it was acknowledged: fields in the model's order, no spaces, numbers in
            their shortest exact form.
    """

    entry: str
    record_id: str
    decision_id: str
    client_id: int
    text: str


@dataclass(frozen=True, slots=True)
class ChainedRecord:
    """A record with its place in the chain; `sequence` counts from 1."""

    sequence: int
    hash: str
    record: NewRecord


def new_record(entry: str, stored: bytes, id_field: str) -> NewRecord:
    """What a stream's entry holds.

    Reads only what the archive needs to know, so that records of a newer version are kept too.

    Raises:
        DataError: it is no record, or its id tells no time.
    """
    try:
        content = json.loads(stored)
        record_id, decision_id = str(content[id_field]), str(content["decision_id"])
        time_of(record_id)
        return NewRecord(entry, record_id, decision_id, int(content["client_id"]), stored.decode())
    except (ValueError, KeyError, TypeError, DataError) as error:
        raise DataError(
            f"stream entry {entry} holds no record that could be archived ({type(error).__name__}): save it elsewhere, "
            "remove it from the stream with XDEL and repeat"
        ) from error


def link(previous: str, text: str) -> str:
    """The hash of a record: sha256 of the hash before it and its text, in hexadecimal."""
    return hashlib.sha256(bytes.fromhex(previous) + text.encode()).hexdigest()


def chained(head: Head, records: Iterable[NewRecord]) -> list[ChainedRecord]:
    """Records that continue the chain after `head`."""
    found, sequence, last = [], head.sequence, head.hash
    for record in records:
        sequence, last = sequence + 1, link(last, record.text)
        found.append(ChainedRecord(sequence, last, record))
    return found


def head_of(last: ChainedRecord) -> Head:
    """The head of a chain that ends with `last`."""
    return Head(sequence=last.sequence, hash=last.hash, entry=last.record.entry)


def time_of(record_id: str) -> datetime:
    """When a record was made: UUIDv7 begins with the milliseconds since 1970.

    Raises:
        DataError: it is no UUID of version 7 in its usual form.
    """
    try:
        known = uuid.UUID(record_id)
        if known.version != 7 or str(known) != record_id:
            raise ValueError(record_id)
        return datetime.fromtimestamp((known.int >> 80) / 1000, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise DataError("an id of a decision is a UUID of version 7") from error


def day_of(record_id: str) -> date:
    """The UTC day of a record, which is its partition.

    Raises:
        DataError: see `time_of`.
    """
    return time_of(record_id).date()
