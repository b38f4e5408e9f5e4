from pathlib import Path

import feature_repo
from feature_repo.online.keys import PROJECT, client_key


def test_the_project_is_the_one_that_feast_reads():
    settings = (Path(feature_repo.__path__[0]) / "feature_store.yaml").read_text("utf-8")
    assert f"\nproject: {PROJECT}\n" in settings


def test_clients_have_keys_of_their_own():
    assert client_key(PROJECT, 100002) == b"features:credit_scoring:100002"
