import pytest
from pydantic import ValidationError

from credit.errors import SettingsError
from training.settings import TrainingSettings


def test_settings_come_from_the_environment_and_are_frozen(monkeypatch):
    monkeypatch.setenv("TRAINING_COST_FALSE_NEGATIVE", "12.5")
    settings = TrainingSettings()
    assert settings.cost_false_negative == 12.5
    with pytest.raises(ValidationError):
        settings.trees = 5


def test_the_default_tracker_lies_in_the_platform_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path))
    assert TrainingSettings().mlflow_tracking_uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db"


@pytest.mark.parametrize("wrong", [{"trees": 0}, {"seed": -1}, {"surprise": 1}, {"test_share": 1.0}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(SettingsError):
        TrainingSettings(**wrong)


def test_shares_must_leave_something_to_train_on():
    with pytest.raises(SettingsError, match="too little"):
        TrainingSettings(validation_share=0.5, calibration_share=0.4)


def test_every_setting_is_described():
    assert all(field.description for field in TrainingSettings.model_fields.values())
