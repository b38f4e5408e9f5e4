import pytest
from pydantic import ValidationError

from credit.errors import SettingsError
from feature_repo.settings import FeatureSettings


def test_every_setting_is_documented_and_comes_from_the_environment(monkeypatch):
    assert all(field.description for field in FeatureSettings.model_fields.values())
    monkeypatch.setenv("FEATURES_DUCKDB_THREADS", "7")
    assert FeatureSettings().duckdb_threads == 7


@pytest.mark.parametrize(
    "wrong", [{"duckdb_threads": 0}, {"duckdb_memory_limit": "much"}, {"key_ttl_seconds": -1}, {"threads": 2}]
)
def test_a_wrong_setting_is_refused_by_its_name(wrong):
    with pytest.raises(SettingsError, match=f"FEATURES_{next(iter(wrong)).upper()}: "):
        FeatureSettings(**wrong)


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        FeatureSettings().duckdb_threads = 3
