"""Settings of `monitoring.retraining`: part of the environment variables `MONITORING_*`."""

from credit.settings import EnvironmentSettings


class RetrainingSettings(EnvironmentSettings):
    """What an operator can set about it."""
