"""Loads a bundle: signature and every hash are verified before any parser sees a byte of the content."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import TypeAdapter, ValidationError

from credit.bundle import manifest as layout
from credit.bundle.bundle import Bundle, BundleParts
from credit.bundle.encoding import check_contract
from credit.bundle.manifest import Manifest
from credit.bundle.model_text import check_model_text
from credit.calibration import Calibration
from credit.errors import BundleError
from credit.policy import DecisionPolicy
from credit.reason_codes import ReasonTexts
from credit.schemas.features import FeatureContract

_MAX_MANIFEST_BYTES = 1024 * 1024
_SIGNATURE_BYTES = 64
_FIGURES = TypeAdapter(dict[str, float])
_Parsed = TypeVar("_Parsed")


def load_bundle(path: Path, public_key: Ed25519PublicKey) -> Bundle:
    """Verify and load the bundle directory `path`.

    Raises:
        BundleError: absent, unsigned, altered, incomplete, or not what this version understands.
    """
    signed = _verified_manifest(path, public_key)
    manifest = _parsed(layout.MANIFEST_FILE, Manifest.model_validate_json, signed)
    contents = _verified_contents(path, manifest)
    return Bundle(hashlib.sha256(signed).hexdigest(), manifest, _parts(manifest, contents))


def verify_bundle(path: Path, public_key: Ed25519PublicKey) -> str:
    """Verify signature and hashes only, and return the bundle's id: cheap, for caches and transfers.

    Raises:
        BundleError: absent, unsigned, altered or incomplete.
    """
    signed = _verified_manifest(path, public_key)
    _verified_contents(path, _parsed(layout.MANIFEST_FILE, Manifest.model_validate_json, signed))
    return hashlib.sha256(signed).hexdigest()


def _verified_manifest(path: Path, public_key: Ed25519PublicKey) -> bytes:
    signed = _read(path / layout.MANIFEST_FILE, _MAX_MANIFEST_BYTES)
    signature = _read(path / layout.SIGNATURE_FILE, _SIGNATURE_BYTES)
    try:
        public_key.verify(signature, signed)
    except InvalidSignature as error:
        raise BundleError(
            f"bundle {path.name}: the signature does not match; it was altered, or signed with another key"
        ) from error
    return signed


def _verified_contents(path: Path, manifest: Manifest) -> dict[str, bytes]:
    if set(manifest.files) != set(layout.CONTENT_FILES):
        raise BundleError(f"bundle {path.name}: the manifest does not list the files of format {manifest.format}")
    expected = {*layout.CONTENT_FILES, layout.MANIFEST_FILE, layout.SIGNATURE_FILE}
    if odd := sorted({entry.name for entry in path.iterdir()} ^ expected):
        raise BundleError(f"bundle {path.name}: missing or unexpected files: {', '.join(odd)}")
    return {name: _verified_file(path / name, entry) for name, entry in manifest.files.items()}


def _verified_file(path: Path, entry: layout.FileEntry) -> bytes:
    data = _read(path, entry.size)
    if len(data) != entry.size or hashlib.sha256(data).hexdigest() != entry.sha256:
        raise BundleError(f"bundle file {path.name} was altered: its hash differs from the manifest's")
    return data


def _parts(manifest: Manifest, contents: Mapping[str, bytes]) -> BundleParts:
    contract = _parsed(layout.CONTRACT_FILE, FeatureContract.model_validate_json, contents[layout.CONTRACT_FILE])
    check_contract(contract)
    if contract.service != manifest.feature_service:
        raise BundleError("the contract belongs to another feature service than the manifest says")
    model_text = _parsed(layout.MODEL_FILE, bytes.decode, contents[layout.MODEL_FILE])
    check_model_text(model_text, contract.names)
    reasons = _parsed(layout.REASONS_FILE, ReasonTexts.model_validate_json, contents[layout.REASONS_FILE])
    if textless := sorted(set(contract.names) - set(reasons.features)):
        raise BundleError(f"features without a reason text: {', '.join(textless)}")
    return BundleParts(
        model_text=model_text,
        contract=contract,
        calibration=_parsed(
            layout.CALIBRATION_FILE, Calibration.model_validate_json, contents[layout.CALIBRATION_FILE]
        ),
        policy=_parsed(layout.POLICY_FILE, DecisionPolicy.model_validate_json, contents[layout.POLICY_FILE]),
        reason_texts=reasons,
        reference=contents[layout.REFERENCE_FILE],
        metrics=_parsed(layout.METRICS_FILE, _FIGURES.validate_json, contents[layout.METRICS_FILE]),
        importance=_parsed(layout.IMPORTANCE_FILE, _FIGURES.validate_json, contents[layout.IMPORTANCE_FILE]),
    )


def _parsed(name: str, parse: Callable[[bytes], _Parsed], data: bytes) -> _Parsed:
    try:
        return parse(data)
    except (ValidationError, UnicodeDecodeError) as error:
        raise BundleError(f"bundle file {name} is malformed: {error}") from error


def _read(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes; links are refused, they may lead outside."""
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{path} is absent or not a regular file: is {path.parent} a model bundle?")
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise BundleError(f"bundle file {path.name} is larger than expected")
    return data
