"""Verified model bundles on local disk, by content: a replica starts from here when the registry is down."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from credit.bundle.bundle import Bundle
from credit.bundle.reader import load_bundle, verify_bundle
from credit.errors import BundleError
from credit.files import write_text
from serving.pointer import Pointer, pointer_path

#: Bundles that stay in a cache, unless a setting says otherwise.
DEFAULT_KEPT = 5
_SCRATCH = ".incoming."
_LOCK_FILE = ".in-use"


class BundleCache:
    """A folder with one directory per bundle, named by its id, and one pointer file per alias.

    Replicas on one machine share it.

    Args:
        folder: made when first needed.
        public_key: verifies every bundle.
        kept: bundles that `prune` leaves, the most recently used; those that a pointer names stay in any case.
    """

    def __init__(self, folder: Path, public_key: Ed25519PublicKey, kept: int = DEFAULT_KEPT) -> None:
        self._folder = folder
        self._public_key = public_key
        self._kept = kept

    def path(self, bundle_id: str) -> Path:
        """Where the bundle lies, if it is held."""
        return self._folder / bundle_id

    def holds(self, bundle_id: str) -> bool:
        """Whether the bundle is here."""
        return self.path(bundle_id).is_dir()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """While the block runs, no process prunes: a bundle that was fetched is there until it is loaded."""
        try:
            file = self._lock_file()
        except OSError:  # a folder that nobody can write in is not pruned either
            yield
            return
        with file:
            fcntl.flock(file, fcntl.LOCK_SH)  # the kernel lets go of it when the process ends, however that happens
            yield

    def scratch(self) -> Path:
        """A new private folder on the cache's disk, for a block of `in_use`; the caller removes it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self._folder))

    def admit(self, staged: Path) -> str:
        """Verify the bundle directory `staged` and move it in; returns its id.

        Raises:
            BundleError: it is unsigned, altered or incomplete; the cache stays as it was.
        """
        bundle_id = verify_bundle(staged, self._public_key)
        if not self.holds(bundle_id):
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                staged.replace(self.path(bundle_id))
            except OSError:
                if not self.holds(bundle_id):  # else another process brought the same bundle first
                    raise
        return bundle_id

    def load(self, bundle_id: str) -> Bundle:
        """Verify and load a bundle that is here.

        Raises:
            BundleError: it is damaged or not the one its name says; it is removed from the cache.
        """
        path = self.path(bundle_id)
        try:
            bundle = load_bundle(path, self._public_key)
            with suppress(OSError):
                os.utime(path)  # the order in which `prune` lets go
            if bundle.bundle_id != bundle_id:
                raise BundleError(f"the cache holds bundle {bundle.bundle_id[:12]} under the id {bundle_id[:12]}")
        except BundleError:
            shutil.rmtree(path, ignore_errors=True)
            raise
        return bundle

    def remember(self, alias: str, pointer: Pointer) -> None:
        """Store what `alias` points at."""
        write_text(pointer_path(self._folder, alias), pointer.model_dump_json())

    def forget(self, alias: str) -> None:
        """Store that `alias` points at nothing."""
        pointer_path(self._folder, alias).unlink(missing_ok=True)

    def remembered(self, alias: str) -> Pointer | None:
        """What `alias` pointed at when it was last resolved, or None.

        Raises:
            BundleError: the pointer file is malformed.
        """
        path = pointer_path(self._folder, alias)
        try:
            return Pointer.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise BundleError(f"{path} is malformed: remove it") from error

    def prune(self) -> None:
        """Remove the bundles used longest ago, and what killed processes left of a download.

        Does nothing while any process brings or loads a bundle: the next call does.
        """
        try:
            with self._lock_file() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for path in [*self._folder.glob(f"{_SCRATCH}*"), *self._superfluous()]:
                    shutil.rmtree(path, ignore_errors=True)
        except OSError:  # in use, or not ours to write in
            return

    def _superfluous(self) -> list[Path]:
        bundles = [path for path in self._folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
        bundles.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
        named = self._named()
        return [path for path in bundles[self._kept :] if path.name not in named]

    def _named(self) -> set[str]:
        """Bundles that pointers name; a malformed pointer names none."""
        found = set()
        for path in self._folder.glob("*.json"):
            try:
                found.add(Pointer.model_validate_json(path.read_bytes()).model.bundle)
            except (OSError, ValidationError):
                continue
        return found

    def _lock_file(self) -> IO[bytes]:
        self._folder.mkdir(parents=True, exist_ok=True)
        return (self._folder / _LOCK_FILE).open("ab")
