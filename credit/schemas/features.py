"""What serving and training say to each other about features: view layouts, read results, the model's contract."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

#: Value types of the online store. Names are Feast's, in lower case.
ValueType = Literal["float32", "float64", "int32", "int64", "bool", "string", "unix_timestamp"]

MissingPolicy = Literal["refuse", "refer", "impute"]


class Frozen(BaseModel):
    """Base of all stored or exchanged models: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ViewColumn(Frozen):
    """One feature of a view."""

    name: str
    type: ValueType


class ViewSpec(Frozen):
    """The online layout of one feature view: columns in stored order, freshness limit, missing policy."""

    name: str
    columns: tuple[ViewColumn, ...]
    ttl_seconds: int
    missing_policy: MissingPolicy = "impute"

    @cached_property
    def schema_hash(self) -> int:
        """64-bit hash of the view's name and its columns' names, types and order; stored with every row."""
        columns = [[column.name, column.type] for column in self.columns]
        text = json.dumps([self.name, columns], separators=(",", ":"))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")

    @cached_property
    def numeric(self) -> tuple[str, ...]:
        """Names of the columns that are not strings, in stored order."""
        return tuple(column.name for column in self.columns if column.type != "string")

    @cached_property
    def strings(self) -> tuple[str, ...]:
        """Names of the string columns, in stored order."""
        return tuple(column.name for column in self.columns if column.type == "string")


class ViewStatus(StrEnum):
    """What a read found for one client and view."""

    PRESENT = "present"
    STALE = "stale"
    NOT_FOUND = "not_found"
    SCHEMA_MISMATCH = "schema_mismatch"


@dataclass(frozen=True, slots=True)
class ViewBatch:
    """The rows of one view for n clients, in request order.

    Attributes:
        spec: layout that the values follow.
        status: one per client. Values are present for PRESENT and STALE only.
        as_of_us: data time of each row, microseconds since the epoch (UTC), shape (n,); 0 where absent.
        built_us: build time of each row, microseconds since the epoch (UTC), shape (n,); 0 where absent.
        numeric: shape (n, len(spec.numeric)), float64; NaN where null or absent.
        strings: n tuples of len(spec.strings); None where null or absent.
    """

    spec: ViewSpec
    status: tuple[ViewStatus, ...]
    as_of_us: NDArray[np.int64]
    built_us: NDArray[np.int64]
    numeric: NDArray[np.float64]
    strings: tuple[tuple[str | None, ...], ...]

    def row(self, at: int) -> "ViewBatch":
        """The row of one client alone."""
        one = slice(at, at + 1)
        return ViewBatch(
            spec=self.spec,
            status=self.status[one],
            as_of_us=self.as_of_us[one],
            built_us=self.built_us[one],
            numeric=self.numeric[one],
            strings=self.strings[one],
        )


class FeatureReader(Protocol):
    """Port: reads feature rows by client id from the online store."""

    def read(self, client_ids: Sequence[int]) -> dict[str, ViewBatch]:
        """One `ViewBatch` per view, by view name, each for all `client_ids` in order.

        Raises:
            StoreUnavailableError: the store did not answer in time.
            CodecError: stored bytes are truncated or altered; names client and view.
        """
        ...

    def ping(self) -> None:
        """Raise StoreUnavailableError unless the store answers."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class ContractFeature(Frozen):
    """One column of the model's matrix.

    `view` is None for a request-time feature, computed by `credit.features` from the values of the views.
    """

    name: str
    view: str | None
    kind: Literal["numeric", "categorical"]


class FeatureContract(Frozen):
    """What the model eats, in which order: frozen at training from the Feast feature service.

    Categorical values become codes: position in `categories[name]` plus 1; 0 for a value never seen in training
    (UNKNOWN); NaN for null.
    """

    service: str
    features: tuple[ContractFeature, ...]
    views: tuple[ViewSpec, ...]
    categories: dict[str, tuple[str, ...]]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Feature names in matrix order."""
        return tuple(feature.name for feature in self.features)
