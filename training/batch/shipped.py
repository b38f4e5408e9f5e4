"""A signed bundle as bytes that travel to workers, each of which verifies it again before parsing."""

import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from credit.bundle.bundle import Bundle
from credit.bundle.reader import load_bundle


@dataclass(frozen=True, slots=True)
class ShippedBundle:
    """The files of a bundle's directory, and the raw public key that must have signed them."""

    name: str
    files: tuple[tuple[str, bytes], ...]
    public_key: bytes

    @classmethod
    def of(cls, folder: Path, public_key: Ed25519PublicKey) -> "ShippedBundle":
        """The bundle in a directory, not yet verified."""
        files = tuple((path.name, path.read_bytes()) for path in sorted(folder.iterdir()))
        return cls(folder.name, files, public_key.public_bytes_raw())


@lru_cache(maxsize=1)
def loaded(shipped: ShippedBundle) -> Bundle:
    """Verify and load a bundle; kept for the next bucket in this process.

    Raises:
        BundleError: it is altered, incomplete or signed with another key.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / shipped.name
        folder.mkdir()
        for name, content in shipped.files:
            (folder / name).write_bytes(content)
        return load_bundle(folder, Ed25519PublicKey.from_public_bytes(shipped.public_key))
