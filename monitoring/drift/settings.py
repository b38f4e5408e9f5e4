"""Settings of `monitoring.drift`: part of the environment variables `MONITORING_*`."""

from credit.settings import EnvironmentSettings


class DriftSettings(EnvironmentSettings):
    """What an operator can set about it."""
