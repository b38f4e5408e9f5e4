"""Logging of a serving process: lines for people, one JSON line per request, in a folder or on standard error."""

import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FILE_BYTES = 50_000_000
_FILES_KEPT = 3


def configure_logging(folder: Path | None) -> None:
    """Send our log lines to `folder`, and warnings to standard error too; without a folder, everything there."""
    own = logging.getLogger("serving")
    own.setLevel(logging.INFO)
    own.propagate = False
    own.handlers = [_stream(logging.INFO if folder is None else logging.WARNING)]
    if folder is not None:
        own.addHandler(_file(folder, "replica", _FORMAT))
    access = logging.getLogger("serving.access")
    access.propagate = False
    access.handlers = [
        _stream(logging.INFO, "%(message)s") if folder is None else _file(folder, "access", "%(message)s")
    ]


def _stream(level: int, line_format: str = _FORMAT) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter(line_format))
    return handler


def _file(folder: Path, name: str, line_format: str) -> logging.Handler:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{os.getpid()}.log"
    handler = RotatingFileHandler(path, maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT, encoding="utf-8")
    handler.setFormatter(logging.Formatter(line_format))
    return handler
