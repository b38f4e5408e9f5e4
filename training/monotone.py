"""Monotone constraints: the directions that the domain demands of a model, each with its reason."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Literal

from credit.schemas.features import Frozen


class Monotone(Frozen):
    """One demand on the probability of default as a feature grows, everything else equal."""

    direction: Literal["rises", "falls"]
    why: str

    @property
    def sign(self) -> int:
        """As LightGBM takes it: 1 for rises, -1 for falls."""
        return 1 if self.direction == "rises" else -1


def monotone_constraints() -> Mapping[str, Monotone]:
    """All demands by feature; of features that a contract does not have, too."""
    text = files("training").joinpath("monotone.toml").read_text("utf-8")
    return {
        feature: Monotone(direction=group["direction"], why=group["why"])
        for group in tomllib.loads(text)["constraint"]
        for feature in group["features"]
    }


def signs(names: Sequence[str]) -> list[int]:
    """LightGBM's `monotone_constraints` for features in this order; 0 where nothing is demanded."""
    demanded = monotone_constraints()
    return [demanded[name].sign if name in demanded else 0 for name in names]
