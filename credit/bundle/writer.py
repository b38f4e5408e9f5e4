"""Writes a bundle: all files, their hashes, one signature; whole or not at all."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel

from credit.bundle import manifest as layout
from credit.bundle.bundle import BundleParts
from credit.bundle.manifest import FileEntry, Manifest, Provenance
from credit.files import atomic_path


def write_bundle(
    target: Path, parts: BundleParts, provenance: Provenance, private_key: Ed25519PrivateKey, *, name: str
) -> Path:
    """Write the bundle directory `target` and return it; an existing one is replaced.

    Args:
        target: directory to make.
        parts: content.
        provenance: where it comes from.
        private_key: signs the manifest.
        name: the registered model's name.
    """
    contents = _contents(parts)
    manifest = Manifest(
        name=name,
        feature_service=parts.contract.service,
        provenance=provenance,
        files={file: FileEntry(size=len(data), sha256=_sha256(data)) for file, data in contents.items()},
    )
    signed = _json(manifest)
    with atomic_path(target) as staged:
        staged.mkdir()
        for file, data in contents.items():
            (staged / file).write_bytes(data)
        (staged / layout.MANIFEST_FILE).write_bytes(signed)
        (staged / layout.SIGNATURE_FILE).write_bytes(private_key.sign(signed))
    return target


def _contents(parts: BundleParts) -> dict[str, bytes]:
    return {
        layout.MODEL_FILE: parts.model_text.encode(),
        layout.CONTRACT_FILE: _json(parts.contract),
        layout.CALIBRATION_FILE: _json(parts.calibration),
        layout.POLICY_FILE: _json(parts.policy),
        layout.REASONS_FILE: _json(parts.reason_texts),
        layout.REFERENCE_FILE: parts.reference,
        layout.METRICS_FILE: _json(parts.metrics),
        layout.IMPORTANCE_FILE: _json(parts.importance),
    }


def _json(value: BaseModel | Mapping[str, float]) -> bytes:
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else dict(value)
    return (json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
