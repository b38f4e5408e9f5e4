import stat
import sys
import zipfile

import pytest
from kaggle_tables import random_tables

from credit.errors import DataError, StepError
from feature_repo.ingest.download import download
from feature_repo.ingest.source import find_source


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A user without credentials and without the client; PATH holds only `bin`."""
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def install_client(user, script: str) -> None:
    client = user / "bin" / "kaggle"
    client.write_text(f"#!{sys.executable}\nimport shutil, sys\n{script}\n")
    client.chmod(client.stat().st_mode | stat.S_IXUSR)


def give_token(user) -> None:
    (user / ".kaggle").mkdir()
    (user / ".kaggle" / "kaggle.json").write_text("{}")


def test_missing_credentials_say_every_step(user):
    with pytest.raises(DataError) as caught:
        download(user / "raw")
    for word in ("accept the rules", "kaggle.json", "KAGGLE_USERNAME", "by hand", "creditctl data ingest"):
        assert word in str(caught.value)


def test_missing_client_says_how_to_get_it(user, monkeypatch):
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    with pytest.raises(DataError, match="pip install kaggle"):
        download(user / "raw")


def test_refusal_of_the_client_is_shown_with_advice(user):
    give_token(user)
    install_client(user, "sys.exit('403 - Forbidden')")
    with pytest.raises(StepError, match=r"accept the competition's rules(.|\n)*403 - Forbidden"):
        download(user / "raw")
    assert not list((user / "raw").glob("*"))


def test_archive_without_all_tables_is_refused(user):
    give_token(user)
    with zipfile.ZipFile(user / "few.zip", "w") as archive:
        archive.writestr("bureau.csv", "SK_ID_CURR\n")
    install_client(user, f"shutil.copy({str(user / 'few.zip')!r}, sys.argv[-1] + '/home-credit-default-risk.zip')")
    with pytest.raises(DataError, match="missing table application_train"):
        download(user / "raw")
    assert not list((user / "raw").iterdir())


def test_complete_archive_is_kept_for_ingestion(user):
    give_token(user)
    folder = random_tables(4).write(user / "tables")
    with zipfile.ZipFile(user / "all.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    install_client(user, f"shutil.copy({str(user / 'all.zip')!r}, sys.argv[-1] + '/home-credit-default-risk.zip')")
    (path,) = download(user / "raw")
    assert path == user / "raw" / "home-credit-default-risk.zip"
    assert not find_source(user / "raw").problems
