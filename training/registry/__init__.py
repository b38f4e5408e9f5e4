"""The model registry: MLflow runs, versions and aliases, without any pickle flavour."""

from training.registry.connection import Connection
from training.registry.publication import Extras
from training.registry.registry import CHALLENGER, CHAMPION, Registry
from training.registry.version import Version

__all__ = ["CHALLENGER", "CHAMPION", "Connection", "Extras", "Registry", "Version"]
