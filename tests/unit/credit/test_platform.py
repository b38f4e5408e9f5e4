import os

from credit.platform import Home, load_environment


def test_home_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "platform"))
    assert Home.current().events == tmp_path / "platform" / "events"


def test_environment_file_gives_defaults_only(monkeypatch, tmp_path):
    home = Home(tmp_path)
    home.environment_file.write_text("# comment=1\nSERVING_A=file\nSERVING_B=file\nbroken\n")
    monkeypatch.setenv("SERVING_A", "set")
    monkeypatch.delenv("SERVING_B", raising=False)
    load_environment(home)
    assert (os.environ["SERVING_A"], os.environ["SERVING_B"]) == ("set", "file")
    monkeypatch.delenv("SERVING_B")


def test_no_environment_file_is_fine(tmp_path):
    before = dict(os.environ)
    load_environment(Home(tmp_path))
    assert dict(os.environ) == before
