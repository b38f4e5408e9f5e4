"""Which keys sign and verify: those set, or the platform folder's own pair."""

from pathlib import Path

from credit.bundle.keys import PUBLIC_KEY_FILE, make_key_pair
from credit.platform import Home
from training.settings import TrainingSettings


def signing_key(home: Home, settings: TrainingSettings) -> Path:
    """The private key's file: as set, or the platform folder's own pair, made when first needed."""
    return settings.private_key or make_key_pair(home.keys).private


def verifying_key(home: Home, settings: TrainingSettings) -> Path:
    """The public key's file: as set, or the platform folder's own."""
    return settings.public_key or home.keys / PUBLIC_KEY_FILE
