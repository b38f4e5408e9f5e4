"""What the archive needs of wherever it lies."""

from collections.abc import Sequence
from typing import Protocol, Self

import pyarrow as pa
import pyarrow.parquet as pq


class Place(Protocol):
    """Port: a folder or a file, on a disk or in object storage. Each method may raise OSError."""

    @property
    def name(self) -> str:
        """Last part of the path."""
        ...

    @property
    def parent(self) -> Self:
        """The folder that holds it."""
        ...

    def __truediv__(self, name: str) -> Self:
        """What is called `name` below this folder."""
        ...

    def files(self) -> Sequence[Self]:
        """Every file below this folder, at any depth."""
        ...

    def read_bytes(self) -> bytes | None:
        """Contents, or None if there is no such file."""
        ...

    def write_bytes(self, content: bytes | pa.Buffer, *, durable: bool = False) -> None:
        """Write a whole file or none; a durable one survives a loss of power once this returns."""
        ...

    def open_parquet(self) -> pq.ParquetFile:
        """A Parquet file to read from; the caller closes it."""
        ...

    def remove(self) -> None:
        """Remove a file, or a folder with all it holds."""
        ...
