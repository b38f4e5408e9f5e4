"""Settings of `monitoring.parity`: part of the environment variables `MONITORING_*`."""

from credit.settings import EnvironmentSettings


class ParitySettings(EnvironmentSettings):
    """What an operator can set about it."""
