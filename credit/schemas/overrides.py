"""Request overrides: amounts that a new request states in place of the stored application's."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from credit.schemas.features import Frozen

#: Limits of an amount, in the currency's unit.
SMALLEST_AMOUNT = 0.01
LARGEST_AMOUNT = 1e12

_Amount = Annotated[float, Field(ge=SMALLEST_AMOUNT, le=LARGEST_AMOUNT, allow_inf_nan=False, strict=True)]


class Overrides(Frozen):
    """One client's overrides, named like the features of the application view; None leaves what is stored."""

    amt_credit: _Amount | None = None
    amt_annuity: _Amount | None = None
    amt_goods_price: _Amount | None = None
    amt_income_total: _Amount | None = None


#: Features of the application view that a request may override.
OVERRIDABLE: tuple[str, ...] = tuple(Overrides.model_fields)

#: A request that overrides nothing.
NO_OVERRIDES = Overrides()


def override_field(feature: str) -> str:
    """The name of a feature's override where both stand side by side: in Feast requests and in spines."""
    return f"override_{feature}"


def override_columns(overrides: Sequence[Overrides]) -> dict[str, NDArray[np.float64]]:
    """Overrides of n clients by feature, each of shape (n,), NaN where there is none; without those of nobody."""
    stated = {name: [getattr(one, name) for one in overrides] for name in OVERRIDABLE}
    return {
        name: np.array(values, dtype=np.float64)
        for name, values in stated.items()
        if any(value is not None for value in values)
    }
