"""Generate a portfolio: chunks in worker processes, files whole or absent."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from credit.clock import Calendar
from credit.errors import DataError
from credit.files import atomic_path
from credit.progress import step
from credit.schemas.raw import HISTORY_TABLES, raw_tables
from feature_repo.datagen.chunk import build_chunk
from feature_repo.datagen.clients import AS_OF_NOW, CHUNK_CLIENTS
from feature_repo.datagen.parameters import CLIENTS_TOTAL
from feature_repo.datagen.writer import PortfolioFiles, write_parts

FEWEST_CLIENTS = 100
WORLD_FILE = "later/world.json"
#: Changes whenever the same seed starts to give other data.
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Request:
    """What to generate: the number of clients, the seed, and where to."""

    clients: int
    seed: int
    out: Path
    oracle: Path
    workers: int = 2

    def problems(self) -> list[str]:
        """Everything that is wrong with the request."""
        found = []
        if not FEWEST_CLIENTS <= self.clients <= CLIENTS_TOTAL:
            found.append(f"--clients must be {FEWEST_CLIENTS} to {CLIENTS_TOTAL}, not {self.clients}")
        if self.seed < 0:
            found.append(f"--seed must not be negative, not {self.seed}")
        if self.workers < 1:
            found.append(f"--workers must be at least 1, not {self.workers}")
        if self.oracle.absolute().is_relative_to(self.out.absolute()):
            found.append(f"--oracle {self.oracle} lies below --out {self.out}: keep true PDs apart from the data")
        return found + _problems_of_target(self.out)


def generate_portfolio(request: Request) -> None:
    """Write all tables of `request.clients` clients below `request.out`, their true PDs below `request.oracle`.

    The same seed gives the same bytes for any number of workers. A previous output at `out` is replaced.

    Raises:
        DataError: if the request cannot be carried out; nothing is written then.
    """
    if problems := request.problems():
        raise DataError("the portfolio cannot be generated", problems)
    with atomic_path(request.out) as staged, atomic_path(request.oracle / "oracle.parquet") as oracle:
        parts = staged.parent / "parts"
        with (
            PortfolioFiles.create(staged, oracle) as files,
            step("generate", -(-request.clients // CHUNK_CLIENTS)) as progress,
        ):
            for folder in _chunk_folders(request, parts):
                files.append(folder)
                progress.advance()
        (staged / WORLD_FILE).write_text(json.dumps(world(request), indent=1) + "\n", "utf-8")
        shutil.rmtree(parts, ignore_errors=True)


def world(request: Request) -> dict[str, object]:
    """The description beside the later events: the world's present, its calendar, and how it was made."""
    calendar = Calendar()
    return {
        "as_of_now": AS_OF_NOW.isoformat(),
        "calendar": {"start": calendar.start.isoformat(), "weeks": calendar.weeks, "seed": calendar.seed},
        "generator": {"format": _FORMAT, "clients": request.clients, "seed": request.seed},
    }


def _chunk_folders(request: Request, parts: Path) -> Iterator[Path]:
    """Build all chunks, and yield their part folders in order."""
    chunks = range(-(-request.clients // CHUNK_CLIENTS))
    jobs = [(request.seed, chunk, request.clients, parts / f"{chunk:04d}") for chunk in chunks]
    workers = min(request.workers, len(jobs))
    if workers == 1:
        yield from map(_build, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_build, jobs)


def _build(job: tuple[int, int, int, Path]) -> Path:
    seed, chunk, clients, folder = job
    write_parts(build_chunk(seed, chunk, clients), folder)
    return folder


def _problems_of_target(out: Path) -> list[str]:
    if not out.exists():
        return []
    if not out.is_dir():
        return [f"--out {out} is a file: name a folder"]
    ours = {table.file_name for table in raw_tables().values()} | {WORLD_FILE}
    ours |= {f"later/{name}.parquet" for name in HISTORY_TABLES}
    found = {str(path.relative_to(out)) for path in out.rglob("*") if not path.is_dir()}
    if not found or (WORLD_FILE in found and found <= ours and _generated(out / WORLD_FILE)):
        return []
    return [f"--out {out} holds files that this command did not write: name an empty or a new folder"]


def _generated(path: Path) -> bool:
    try:
        return "generator" in json.loads(path.read_text("utf-8"))
    except ValueError:
        return False
