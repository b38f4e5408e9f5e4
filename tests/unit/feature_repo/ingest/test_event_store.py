import pytest

from credit.errors import DataError
from feature_repo.ingest.events import EVENT_TABLES, EventStore, event_schema


def test_absent_folder_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="creditctl data ingest"):
        EventStore(tmp_path / "nothing")


@pytest.mark.parametrize("text", ['{"format": 2}', "not json", "{}"])
def test_other_format_is_refused(tmp_path, text):
    (tmp_path / "meta.json").write_text(text)
    with pytest.raises(DataError, match="format 1"):
        EventStore(tmp_path)


def test_every_event_table_has_its_client_and_times():
    for table in EVENT_TABLES:
        names = event_schema(table).names
        assert names[-3:] == ["t0", "event_ts", "known_ts"]
        assert names.count("SK_ID_CURR") == 1
