"""The source folder: which file holds which table, and the identity of all inputs together."""

import gzip
import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from credit.schemas.raw import HISTORY_TABLES, raw_tables

LATER = "later"
WORLD_FILE = "world.json"


@dataclass(frozen=True, slots=True)
class TableFile:
    """Where a table's CSV lies: a file, or a member of a zip archive."""

    table: str
    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.path.name}:{self.member}" if self.member else self.path.name

    def open(self) -> IO[bytes]:
        """The CSV's bytes, decompressed."""
        if self.member is not None:
            return zipfile.ZipFile(self.path).open(self.member)
        if self.path.suffix == ".gz":
            return cast(IO[bytes], gzip.open(self.path, "rb"))
        return self.path.open("rb")


@dataclass(frozen=True, slots=True)
class Source:
    """All inputs found in one folder; `problems` says what is missing or out of place."""

    root: Path
    tables: Mapping[str, TableFile]
    later: Mapping[str, Path]
    world: Path | None
    problems: tuple[str, ...]

    @property
    def lives_on(self) -> bool:
        """Whether events after T0 were delivered."""
        return bool(self.later)

    def identity(self, options: Mapping[str, Any]) -> str:
        """Sha256 over names, sizes and modification times of the inputs, and over `options`."""
        paths = {file.path for file in self.tables.values()} | set(self.later.values())
        paths |= {self.world} if self.world else set()
        files = [(str(path.relative_to(self.root)), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
        text = json.dumps([sorted(files), options], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def find_source(root: Path) -> Source:
    """Look for the eight tables as .csv, .csv.gz, .csv.zip or inside any one zip, and for `later/`."""
    if not root.is_dir():
        return Source(root, {}, {}, None, (f"{root} is not a folder",))
    problems: list[str] = []
    archived = _archived_tables(root, problems)
    tables = {table: found for table in raw_tables() if (found := _find_table(root, table, archived))}
    forms = ".csv, .csv.gz, .csv.zip or inside a .zip"
    problems += [f"missing table {table} ({forms})" for table in raw_tables() if table not in tables]
    later = {path.stem: path for path in sorted((root / LATER).glob("*.parquet"))}
    strangers = [path.name for path in later.values() if path.stem not in HISTORY_TABLES]
    problems += [f"{LATER}/{name} is not one of the history tables" for name in strangers]
    world = root / LATER / WORLD_FILE
    return Source(root, tables, later, world if world.is_file() else None, tuple(problems))


def _find_table(root: Path, table: str, archived: Mapping[str, TableFile]) -> TableFile | None:
    for suffix in (".csv", ".csv.gz"):
        if (path := root / f"{table}{suffix}").is_file():
            return TableFile(table, path)
    return archived.get(table)


def _archived_tables(root: Path, problems: list[str]) -> dict[str, TableFile]:
    found: dict[str, TableFile] = {}
    for path in sorted(root.glob("*.zip")):
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, OSError) as error:
            problems.append(f"{path.name} cannot be read as a zip archive: {error}")
            continue
        found |= {file.table: file for file in _members(path, names) if file.table not in found}
    return found


def _members(path: Path, names: Sequence[str]) -> list[TableFile]:
    by_file_name = {table.file_name: name for name, table in raw_tables().items()}
    named = [(name, by_file_name.get(name.rpartition("/")[2])) for name in names]
    return [TableFile(table, path, name) for name, table in named if table]
