"""Numbers by key: in this process's memory, or in a file that the other processes of the node can read."""

import contextlib
import fcntl
import hashlib
import os
import struct
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from prometheus_client.mmap_dict import MmapedDict

_SUFFIX: Final = ".values"
#: Whether the process lives, and its numbers by key.
OneProcess = tuple[bool, Iterable[tuple[str, float]]]


class Values(Protocol):
    """Numbers of this process; each write is seen by all readers at once."""

    def read(self, key: str) -> float:
        """The number of `key`, from now on 0 if it had none."""
        ...

    def write(self, key: str, value: float) -> None:
        """Put `value` in place."""
        ...

    def everybody(self) -> Iterator[OneProcess]:
        """The numbers of each process, this one's too."""
        ...

    def close(self) -> None:
        """This process counts no more."""
        ...


class MemoryValues:
    """`Values` of a process that shares nothing."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}

    def read(self, key: str) -> float:
        """See `Values`."""
        return self._values.setdefault(key, 0.0)

    def write(self, key: str, value: float) -> None:
        """See `Values`."""
        self._values[key] = value

    def everybody(self) -> Iterator[OneProcess]:
        """See `Values`."""
        yield True, [*self._values.items()]

    def close(self) -> None:
        """See `Values`."""


class SharedValues:
    """`Values` in one file per process of `folder`; the file of a dead process is taken over with its numbers.

    Args:
        folder: made when absent.
        schema: processes of another one keep to their own files.
        passing: keys whose numbers end with their process.
    """

    def __init__(self, folder: Path, schema: str, passing: Callable[[str], bool]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._prefix = hashlib.sha256(schema.encode()).hexdigest()[:8]
        self._path, self._lock = self._own_file()
        mapped: Any = MmapedDict  # it has no types
        self._file = mapped(str(self._path))
        self._closed = False
        for key, _, _ in [*self._file.read_all_values()]:
            if passing(key):
                self.write(key, 0.0)

    def read(self, key: str) -> float:
        """See `Values`."""
        return 0.0 if self._closed else float(self._file.read_value(key)[0])

    def write(self, key: str, value: float) -> None:
        """See `Values`."""
        if not self._closed:
            self._file.write_value(key, value, 0.0)

    def everybody(self) -> Iterator[OneProcess]:
        """See `Values`."""
        for path in self._files():
            values = _values_of(path)
            yield _is_locked(path), values

    def close(self) -> None:
        """See `Values`."""
        if not self._closed:
            self._closed = True
            os.close(self._lock)
            self._file.close()

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self._prefix}-*{_SUFFIX}"))

    def _own_file(self) -> tuple[Path, int]:
        """A file that no living process has, and the lock on it."""
        while True:
            new = self._folder / f"{self._prefix}-{uuid.uuid4().hex}{_SUFFIX}"
            for path in [*self._files(), new]:
                lock = _locked(path, fcntl.LOCK_EX, os.O_RDWR | (os.O_CREAT if path == new else 0))
                if lock is not None:
                    return path, lock


def remove_dead(folder: Path) -> None:
    """Remove the files of processes that are gone, of every schema: a service that starts begins with 0."""
    for path in folder.glob(f"*{_SUFFIX}"):
        if not _is_locked(path):
            path.unlink(missing_ok=True)


def _values_of(path: Path) -> list[tuple[str, float]]:
    """What a file holds; nothing while it is being made."""
    try:
        found: Any = MmapedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]
        return [(key, value) for key, value, _, _ in found]
    except (OSError, struct.error):
        return []


def _is_locked(path: Path) -> bool:
    lock = _locked(path, fcntl.LOCK_SH, os.O_RDONLY)
    if lock is None:
        return path.exists()
    os.close(lock)
    return False


def _locked(path: Path, kind: int, flags: int) -> int | None:
    """A descriptor that holds the lock on `path`, or None: it is held elsewhere, or the file is gone."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
        else:
            return descriptor
    return None
