"""The public Home Credit files, fetched by the user's own Kaggle client and credentials."""

import os
import shutil
import subprocess
from pathlib import Path

from credit.errors import DataError, StepError
from credit.files import atomic_path
from credit.progress import step
from feature_repo.ingest.source import find_source

COMPETITION = "home-credit-default-risk"
_ARCHIVE = f"{COMPETITION}.zip"
_TIMEOUT_SECONDS = 3_600

_BY_HAND = f"""Or by hand: accept the rules of the competition {COMPETITION!r} on Kaggle, download all files there,
put them into one folder (zipped or not) and run `creditctl data ingest --source FOLDER`."""
_NO_CREDENTIALS = f"""No Kaggle credentials found. To get them:
  1. Sign in to Kaggle and accept the rules of the competition {COMPETITION!r} (its page, "Join competition").
  2. Create an API token in your Kaggle account settings: a file kaggle.json.
  3. Put it at ~/.kaggle/kaggle.json (chmod 600), or set KAGGLE_USERNAME and KAGGLE_KEY.
{_BY_HAND}"""
_NO_CLIENT = f"""The `kaggle` command is not installed: run `pip install kaggle`, then try again.
{_BY_HAND}"""


def download(out: Path) -> list[Path]:
    """Download the competition's archive into `out` (ingestion reads it as it is) and return the files.

    Raises:
        DataError: credentials or the client are missing, or the archive lacks tables; says what to do.
        StepError: the client failed; shows its own words.
    """
    if not _has_credentials():
        raise DataError(_NO_CREDENTIALS)
    client = shutil.which("kaggle")
    if client is None:
        raise DataError(_NO_CLIENT)
    target = out / _ARCHIVE
    with step(f"download {COMPETITION}"), atomic_path(target) as staged:
        _fetch(client, staged.parent)
        problems = find_source(staged.parent).problems
        if problems:
            raise DataError("the download is incomplete; try again, or by hand:", [*problems, _BY_HAND])
    return [target]


def _has_credentials() -> bool:
    if os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY"):
        return True
    folder = Path(os.environ.get("KAGGLE_CONFIG_DIR", Path.home() / ".kaggle"))
    return (folder / "kaggle.json").is_file()


def _fetch(client: str, folder: Path) -> None:
    command = [client, "competitions", "download", "-c", COMPETITION, "-p", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS)
    except subprocess.CalledProcessError as error:
        words = (error.stderr or error.stdout).strip()
        advice = "accept the competition's rules on Kaggle if it says 403" if "403" in words else "see its message"
        raise StepError(f"`{' '.join(command[:4])}` failed ({advice}): {words}\n{_BY_HAND}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StepError(f"`{client}` could not finish: {error}\n{_BY_HAND}") from None
