import pytest

from credit.files import atomic_path, write_durably, write_text


def fail_half_way(target):
    with atomic_path(target) as staged:
        staged.write_text("half")
        raise RuntimeError


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    target = tmp_path / "report.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError):
        fail_half_way(target)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.txt"]


def test_a_directory_replaces_a_directory_whole(tmp_path):
    target = tmp_path / "run"
    for name in ("first", "second"):
        with atomic_path(target) as staged:
            staged.mkdir()
            (staged / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["second"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_missing_parents_are_made(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "text")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "text"


def test_a_durable_write_is_whole_and_makes_its_folders(tmp_path):
    target = tmp_path / "a" / "b" / "file"
    for content in (b"old", b"new"):
        write_durably(target, content)
        assert target.read_bytes() == content
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_a_durable_write_waits_for_the_disk_before_the_name_appears(tmp_path, monkeypatch):
    target = tmp_path / "file"
    synced = []
    monkeypatch.setattr("credit.files.os.fsync", lambda handle: synced.append(target.exists()))
    write_durably(target, b"content")
    assert synced == [False, True]
