"""Write `docs/reference/settings.md` from the settings classes; with --check, fail if it is out of date."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generated_page import write_or_check
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from feature_repo.settings import FeatureSettings
from monitoring.settings import MonitoringSettings
from serving.settings import ServingSettings
from training.gates.settings import GateSettings
from training.settings import TrainingSettings

PAGE = Path("docs/reference/settings.md")
CLASSES: tuple[type[BaseSettings], ...] = (
    FeatureSettings,
    TrainingSettings,
    GateSettings,
    ServingSettings,
    MonitoringSettings,
)
_INTRODUCTION = """# Settings

Settings are environment variables. Each program reads its own prefix and refuses names that it does not know.
`creditctl` takes defaults from `platform.env` in the platform folder, which is `CREDIT_HOME` (default `.platform`).
Generated from the settings classes by `make pages`.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *(line for cls in CLASSES for line in _section(cls))])


def _section(cls: type[BaseSettings]) -> Iterator[str]:
    prefix = str(cls.model_config.get("env_prefix"))
    yield f"## `{prefix}*`"
    yield ""
    yield (cls.__doc__ or "").strip().splitlines()[0]
    yield ""
    yield "| variable | default | meaning |"
    yield "|---|---|---|"
    for name, field in cls.model_fields.items():
        yield f"| `{prefix}{name.upper()}` | {_default(field)} | {field.description} |"
    yield ""


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "computed; in the platform folder for local files"
    if field.default is PydanticUndefined:
        return "must be set"
    value: Any = field.default
    if value is None or value == ():
        return "unset"
    shown = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    return f"`{shown}`"


if __name__ == "__main__":
    raise SystemExit(write_or_check(PAGE, page()))
