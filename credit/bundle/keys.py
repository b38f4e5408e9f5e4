"""Ed25519 keys: training signs bundles with the private key, serving verifies them with the public one."""

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from credit.errors import BundleError
from credit.files import atomic_path

PRIVATE_KEY_FILE = "bundle-private.pem"
PUBLIC_KEY_FILE = "bundle-public.pem"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Where a pair of keys lies."""

    private: Path
    public: Path


def make_key_pair(folder: Path) -> KeyPair:
    """Make a pair in `folder` unless it already holds one; the private key's file mode is 0600.

    Raises:
        BundleError: the folder holds half a pair.
    """
    pair = KeyPair(folder / PRIVATE_KEY_FILE, folder / PUBLIC_KEY_FILE)
    present = [path for path in (pair.private, pair.public) if path.exists()]
    if len(present) == 1:
        raise BundleError(f"{folder} holds only {present[0].name}: restore the other key, or remove this one")
    if not present:
        _write(pair, Ed25519PrivateKey.generate())
    return pair


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """The signing key of a PEM file.

    Raises:
        BundleError: the file is absent or is not an unencrypted Ed25519 private key.
    """
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BundleError(f"{path} is not an unencrypted private key in PEM: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"{path} is not an Ed25519 key")
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The verifying key of a PEM file.

    Raises:
        BundleError: the file is absent or is not an Ed25519 public key.
    """
    try:
        key = serialization.load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BundleError(f"{path} is not a public key in PEM: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BundleError(f"{path} is not an Ed25519 key")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"cannot read the key {path}: {error.strerror}; make a pair with make_key_pair") from error


def _write(pair: KeyPair, key: Ed25519PrivateKey) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with atomic_path(pair.private) as staged:
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(private)
    with atomic_path(pair.public) as staged:
        staged.write_bytes(public)
