"""Settings of the online store on their way to other machines."""

from pydantic import SecretStr

from feature_repo.online.settings import RedisAccess
from feature_repo.settings import FeatureSettings


def test_work_elsewhere_gets_no_address_and_no_secret(monkeypatch) -> None:
    monkeypatch.setenv("FEATURES_REDIS_URL", "redis://:in-address@example:6379/0")
    monkeypatch.setenv("FEATURES_REDIS_PASSWORD", "apart")
    monkeypatch.setenv("FEATURES_REDIS_SENTINEL_PASSWORD", "sentinels")
    settings = FeatureSettings(duckdb_threads=7)
    assert settings.redis_password == SecretStr("apart")
    bare = settings.without_redis()
    assert bare.duckdb_threads == 7
    assert {getattr(bare, name) for name in RedisAccess.model_fields if "password" in name} == {None}
    assert not {"in-address", "example"} & set(bare.redis_url.get_secret_value().replace("@", ":").split(":"))
