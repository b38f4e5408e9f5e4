import os

from credit.platform import Home, load_environment


def test_home_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "platform"))
    assert Home.current().events == tmp_path / "platform" / "events"


def test_environment_file_gives_defaults_only(monkeypatch, tmp_path):
    home = Home(tmp_path)
    home.environment_file.write_text("# comment=1\nPLATFORM_A=file\nPLATFORM_B=file\nbroken\n")
    monkeypatch.setenv("PLATFORM_A", "set")
    monkeypatch.setenv("PLATFORM_B", "")  # so that it is unset again afterwards
    monkeypatch.delenv("PLATFORM_B")
    load_environment(home)
    assert (os.environ["PLATFORM_A"], os.environ["PLATFORM_B"]) == ("set", "file")


def test_no_environment_file_is_fine(tmp_path):
    before = dict(os.environ)
    load_environment(Home(tmp_path))
    assert dict(os.environ) == before
