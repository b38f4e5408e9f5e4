"""What every settings class of the platform has in common: a typing error in a name or a value is told, not ignored."""

import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from credit.errors import SettingsError


class EnvironmentSettings(BaseSettings):
    """Settings from environment variables with the class's prefix; values given to the constructor win.

    Raises:
        SettingsError: names every setting that is unknown, missing or malformed.
    """

    def __init__(self, **given: Any) -> None:
        prefix = str(self.model_config.get("env_prefix", ""))
        if unknown := _unknown(prefix, type(self).model_fields):
            raise SettingsError(f"unknown settings: {', '.join(unknown)}; see docs/reference/settings.md for the names")
        try:
            super().__init__(**given)
        except ValidationError as error:
            # Without the values given: one of them may be a password.
            raise SettingsError("; ".join(_problem(prefix, each) for each in error.errors())) from None


def _unknown(prefix: str, fields: Mapping[str, object]) -> list[str]:
    if not prefix:
        return []
    names = {f"{prefix}{name}".upper() for name in fields}
    return sorted(name for name in os.environ if name.startswith(prefix) and name.upper() not in names)


def _problem(prefix: str, error: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in error["loc"])
    return f"{prefix}{where.upper()}: {error['msg']}" if where else str(error["msg"]).removeprefix("Value error, ")
