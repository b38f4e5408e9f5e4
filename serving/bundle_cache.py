"""Verified model bundles on local disk, by content: a replica starts from here when the registry is down."""

import shutil
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from credit.bundle.bundle import Bundle
from credit.bundle.reader import load_bundle, verify_bundle
from credit.errors import BundleError
from credit.files import write_text
from serving.pointer import Pointer, pointer_path


class BundleCache:
    """A folder with one directory per bundle, named by its id, and one pointer file per alias."""

    def __init__(self, folder: Path, public_key: Ed25519PublicKey) -> None:
        self._folder = folder
        self._public_key = public_key

    def path(self, bundle_id: str) -> Path:
        """Where the bundle lies, if it is held."""
        return self._folder / bundle_id

    def holds(self, bundle_id: str) -> bool:
        """Whether the bundle is here."""
        return self.path(bundle_id).is_dir()

    def scratch(self) -> Path:
        """A new private folder on the cache's disk; the caller removes it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".incoming.", dir=self._folder))

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
            if bundle.bundle_id != bundle_id:
                raise BundleError(f"the cache holds bundle {bundle.bundle_id[:12]} under the id {bundle_id[:12]}")
        except BundleError:
            shutil.rmtree(path, ignore_errors=True)
            raise
        return bundle

    def remember(self, alias: str, pointer: Pointer) -> None:
        """Store what `alias` points at."""
        write_text(pointer_path(self._folder, alias), pointer.model_dump_json())

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
