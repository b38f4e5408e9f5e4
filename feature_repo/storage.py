"""Folders and files that lie locally, in s3://bucket/prefix or in gs://bucket/prefix, behind one interface.

Arrow's own clients read and write; they take credentials from the environment (AWS_*, Google's default ones). DuckDB
reads through the same clients, wrapped for fsspec, because its own would have to be downloaded.
"""

import os
import shutil
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from credit.errors import SettingsError, StepError
from credit.files import atomic_path, write_durably

if TYPE_CHECKING:
    import duckdb

_REMOTE: Final = ("s3", "gs")


@dataclass(frozen=True, slots=True)
class Location:
    """A folder or a file; small and picklable, so that tasks on other machines can take it.

    Attributes:
        url: an absolute local path, or s3://bucket/... or gs://bucket/..., without a slash at the end.
        endpoint: address of an S3- or GCS-compatible server instead of the provider's own.
    """

    url: str
    endpoint: str | None = None

    @classmethod
    def of(cls, place: "str | Path | Location", endpoint: str | None = None) -> "Location":
        """The location that a path or a URL names.

        Raises:
            SettingsError: it is a URL of another kind, or names no bucket.
        """
        if isinstance(place, Location):
            return place
        text = str(place)
        scheme, separator, rest = text.partition("://")
        if not separator:
            return cls(str(Path(text).absolute()))
        if scheme not in _REMOTE or not rest.strip("/"):
            raise SettingsError(
                f"{text} is no place for files: give a folder, s3://bucket/prefix or gs://bucket/prefix"
            )
        return cls(text.rstrip("/"), endpoint)

    def __truediv__(self, name: str) -> "Location":
        """What is called `name` below this folder."""
        return replace(self, url=f"{self.url.rstrip('/')}/{name}")

    def __str__(self) -> str:
        """Path or URL."""
        return self.url

    def __fspath__(self) -> str:
        """The path, for local files only."""
        if not self.is_local:
            raise TypeError(f"{self.url} is not a local file")
        return self.url

    @property
    def is_local(self) -> bool:
        """Whether it lies in a local folder, where a rename is one step."""
        return "://" not in self.url

    @property
    def path(self) -> Path:
        """The local path."""
        return Path(self)

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.url.rpartition("/")[2]

    @property
    def parent(self) -> "Location":
        """The folder that holds it."""
        return replace(self, url=self.url.rpartition("/")[0])

    def read_bytes(self) -> bytes | None:
        """Contents, or None if there is no such file."""
        files, path = self._opened()
        try:
            with files.open_input_stream(path) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def write_bytes(self, content: bytes | pa.Buffer, *, durable: bool = False) -> None:
        """Write a whole file: readers see the old content or the new, never a part.

        `durable` waits until a local disk holds it; object storage has it anyway when this returns.
        """
        if self.is_local and durable:
            write_durably(self.path, content)
            return
        if self.is_local:
            with atomic_path(self.path) as staged:
                staged.write_bytes(content)
            return
        files, path = self._opened()
        with files.open_output_stream(path) as stream:
            stream.write(content)

    def read_table(self, columns: list[str] | None = None) -> pa.Table:
        """The rows of a Parquet file, with these columns in this order, else with all.

        Raises:
            KeyError: a column is absent.
        """
        with self.open_parquet() as file:
            found = file.read(columns, use_threads=False)
        return found if columns is None else found.select(columns)

    def open_parquet(self) -> pq.ParquetFile:
        """A Parquet file to read from several times; the caller closes it."""
        files, path = self._opened()
        # Not `read_table`, which makes a dataset of one file: that takes longer than reading a bucket.
        return pq.ParquetFile(path, filesystem=files, memory_map=self.is_local, pre_buffer=not self.is_local)

    def write_table(self, table: pa.Table) -> None:
        """Write a whole Parquet file; equal tables make equal bytes everywhere."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        self.write_bytes(sink.getvalue())

    def footer(self) -> pq.FileMetaData:
        """Metadata of a Parquet file: columns, row groups, statistics."""
        files, path = self._opened()
        return pq.read_metadata(path, filesystem=files)

    def files(self) -> "list[Location]":
        """Every file below this folder, at any depth, by name; none if there is no such folder."""
        files, path = self._opened()
        found = files.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
        prefix = "" if self.is_local else f"{self.url.partition('://')[0]}://"
        return sorted(
            (replace(self, url=prefix + info.path) for info in found if info.type == fs.FileType.File),
            key=lambda location: location.url,
        )

    def copy_to(self, target: "Location") -> None:
        """Copy a file inside one place."""
        files, path = self._opened()
        files.copy_file(path, target._opened()[1])

    def remove(self) -> None:
        """Remove a file, or a folder with all it holds; nothing happens if it is absent."""
        if self.is_local:
            shutil.rmtree(self.path, ignore_errors=True)
            self.path.unlink(missing_ok=True)
            return
        files, path = self._opened()
        kind = files.get_file_info(path).type
        if kind == fs.FileType.File:
            files.delete_file(path)
        elif kind == fs.FileType.Directory and self.url.startswith("s3:"):
            files.delete_dir(path)
        elif kind == fs.FileType.Directory:  # of Google's, Arrow wants every folder to be an object, too
            for file in self.files():
                file.remove()

    def check(self) -> None:
        """Raise StepError if the place does not answer."""
        files, path = self._opened()
        try:
            files.get_file_info(path)
        except OSError as error:
            raise StepError(f"{self} does not answer: {error}. Check address, bucket and credentials") from error

    def attach(self, connection: "duckdb.DuckDBPyConnection") -> None:
        """Let a DuckDB connection read URLs of this place; local files it reads anyway."""
        scheme = self.url.partition("://")[0]
        if not self.is_local and scheme not in connection.list_filesystems():
            connection.register_filesystem(_for_duckdb(scheme, self.endpoint))

    def _opened(self) -> tuple[fs.FileSystem, str]:
        if self.is_local:
            return fs.LocalFileSystem(), self.url
        scheme, _, path = self.url.partition("://")
        return _client(scheme, self.endpoint), path


@cache
def _client(scheme: str, endpoint: str | None) -> fs.FileSystem:
    options: dict[str, Any] = {}
    if endpoint:
        address = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        options = {"endpoint_override": address.netloc, "scheme": address.scheme}
    if scheme == "gs":
        # Google is spoken to over TLS only; without it there is a test server, which knows no credentials.
        return fs.GcsFileSystem(**options, anonymous=options.get("scheme") == "http")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return fs.S3FileSystem(**options, **({"region": region} if region else {}))


@cache
def _for_duckdb(scheme: str, endpoint: str | None) -> Any:
    from fsspec.implementations.arrow import ArrowFSWrapper

    class Wrapped(ArrowFSWrapper):  # type: ignore[misc]  # fsspec has no types
        protocol = scheme  # Arrow calls Google's storage gcs, its URLs begin with gs

    return Wrapped(_client(scheme, endpoint))
