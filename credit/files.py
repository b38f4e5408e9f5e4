"""Files that are either whole or absent."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `target`; rename it to `target` on success, remove it on failure.

    The caller creates a file or a directory at the path yielded. An existing directory at `target` is replaced.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        staged = scratch / target.name
        yield staged
        if target.is_dir() and not target.is_symlink():
            target.replace(scratch / "replaced")
        staged.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_text(target: Path, text: str) -> None:
    """Write `text` so that readers see the old content or the new, never a part."""
    with atomic_path(target) as staged:
        staged.write_text(text, "utf-8")


def write_durably(target: Path, content: bytes) -> None:
    """Write `content` whole or not at all; when this returns, neither it nor its name is lost with the power."""
    missing = [folder for folder in (target.parent, *target.parent.parents) if not folder.exists()]
    with atomic_path(target) as staged, staged.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    for folder in (target.parent, *(made.parent for made in missing)):
        _sync(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
