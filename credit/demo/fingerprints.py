"""Fingerprints decide whether a finished step can be skipped."""

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path


def digest(*parts: str) -> str:
    """A hash of the parts, in order."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(part.encode())
        hasher.update(b"\0")
    return hasher.hexdigest()[:32]


@cache
def of_package(name: str) -> str:
    """A hash of the source files of an installed package: a changed program is a changed input."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return digest(name)
    root = Path(next(iter(spec.submodule_search_locations)))
    files = sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return digest(*(f"{path.relative_to(root)}:{_content(path)}" for path in files))


def of_files(paths: Iterable[Path]) -> str:
    """A hash of names, sizes and modification times: cheap on gigabytes."""
    return digest(*(f"{path.name}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in sorted(paths)))


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
