import os
import threading

import pytest
from callers import published

from credit.errors import SettingsError
from serving.callers import followed as module
from serving.callers.followed import FileSource, Followed, UrlSource


def parse(content):
    if not content.startswith(b"good"):
        raise SettingsError("not good")
    return content


class Counting(FileSource):
    """Counts how often the file is opened."""

    def __init__(self, path):
        super().__init__(path)
        self.read_whole = 0

    def read(self):
        content = super().read()
        self.read_whole += content is not None
        return content


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keys.json"
    path.write_bytes(b"good one")
    return path


@pytest.fixture
def followed(file):
    keys = Followed(Counting(file), parse, "keys", 0.01)
    keys.load()
    return keys


def test_a_changed_file_is_read_and_an_unchanged_one_is_not(file, followed):
    for _ in range(5):
        followed.refresh()
    assert followed._source.read_whole == 1
    file.write_bytes(b"good two!")
    followed.refresh()
    assert followed.value == b"good two!"


def test_a_file_of_the_same_size_in_its_place_is_read(file, followed):
    later = file.with_name("new")
    later.write_bytes(b"good two")
    os.utime(later, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    later.replace(file)
    followed.refresh()
    assert followed.value == b"good two"


def test_the_swap_of_links_of_a_mounted_secret_is_seen(tmp_path):
    for name, content in (("..one", b"good one"), ("..two", b"good two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "keys.json").write_bytes(content)
    data = tmp_path / "..data"
    data.symlink_to("..one")
    (tmp_path / "keys.json").symlink_to("..data/keys.json")
    keys = Followed(FileSource(tmp_path / "keys.json"), parse, "keys", 1)
    keys.load()
    swapped = tmp_path / "..data_tmp"
    swapped.symlink_to("..two")
    swapped.replace(data)
    keys.refresh()
    assert keys.value == b"good two"


def test_a_broken_file_changes_nothing_and_is_told_until_it_is_good_again(file, followed, caplog):
    file.write_bytes(b"broken")
    followed.refresh()
    assert followed.value == b"good one"
    assert "not good" in caplog.text
    file.write_bytes(b"good again")
    followed.refresh()
    assert followed.value == b"good again"


def test_a_file_that_is_away_changes_nothing_and_is_told_once(file, followed, caplog):
    file.unlink()
    followed.refresh()
    followed.refresh()
    assert followed.value == b"good one"
    assert caplog.text.count("cannot be read") == 1
    file.write_bytes(b"good one")
    followed.refresh()
    assert followed._source.read_whole == 2


def test_an_unforeseen_failure_does_not_end_the_following(file, followed, caplog):
    followed._parse = lambda content: 1 / 0
    file.write_bytes(b"good two")
    followed.refresh()
    assert followed.value == b"good one"
    assert "ZeroDivisionError" in caplog.text


def test_the_thread_follows_until_stopped(file):
    seen = threading.Event()

    def parsed(content):
        if content == b"good two":
            seen.set()
        return content

    keys = Followed(FileSource(file), parsed, "keys", 0.01)
    keys.load()
    keys.start()
    file.with_name("new").write_bytes(b"good two")
    file.with_name("new").replace(file)
    assert seen.wait(20)
    keys.stop()
    keys._thread.join(20)
    assert not keys._thread.is_alive()


def test_an_address_is_fetched_at_each_read():
    with published(b"good one") as (url, state):
        keys = Followed(UrlSource(url), parse, "keys", 1)
        keys.load()
        state.body = b"good two"
        keys.refresh()
        assert (keys.value, state.asked) == (b"good two", 2)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_address_that_answers_something_else_changes_nothing(status, caplog):
    with published(b"good one") as (url, state):
        keys = Followed(UrlSource(url), parse, "keys", 1)
        keys.load()
        state.status, state.body = status, b"good bad"
        keys.refresh()
        assert (keys.value, state.asked) == (b"good one", 2)
        assert f"answers {status}" in caplog.text


def test_an_address_that_is_away_keeps_the_last_good_set(caplog):
    with published(b"good one") as (url, _):
        keys = Followed(UrlSource(url), parse, "keys", 1)
        keys.load()
    keys.refresh()
    assert keys.value == b"good one"
    assert "does not answer" in caplog.text


def test_an_endless_answer_is_cut_off(monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 100)
    with published(b"good" * 100) as (url, _), pytest.raises(SettingsError, match="more than 100 bytes"):
        Followed(UrlSource(url), parse, "keys", 1).load()
