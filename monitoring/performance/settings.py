"""Settings of `monitoring.performance`: part of the environment variables `MONITORING_*`."""

from credit.settings import EnvironmentSettings


class PerformanceSettings(EnvironmentSettings):
    """What an operator can set about it."""
