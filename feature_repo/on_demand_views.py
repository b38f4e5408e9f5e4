"""Features computed at request time; the arithmetic lives in `credit.features`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from feast import FeatureView, Field, OnDemandFeatureView, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64

from credit.features import RATIO_INPUTS, RATIO_OUTPUTS, application_ratios
from credit.schemas.overrides import OVERRIDABLE, override_field

#: What every Feast request and spine for the view must carry: Feast refuses one that lacks a field. Null overrides
#: nothing.
OVERRIDE_FIELDS: Final = {override_field(name): name for name in OVERRIDABLE}


def application_ratios_view(views: Mapping[str, FeatureView]) -> OnDemandFeatureView:
    """The on-demand view `application_ratios` over stored views, by name, and a request's overrides.

    Feast stores the decorated function as source text and rebuilds it on retrieval, where names of this module do not
    exist: its body imports what it calls. Python mode is about ten times faster online than pandas mode.
    """
    application = views["application"]
    overrides = RequestSource(
        name="application_overrides",
        schema=[Field(name=field, dtype=Float64) for field in OVERRIDE_FIELDS],
        description="Amounts that a request states in place of the stored application's.",
        owner=application.owner,
    )

    @on_demand_feature_view(  # type: ignore[untyped-decorator]  # feast is untyped
        sources=[*_inputs(views.values()), overrides],
        schema=[Field(name=name, dtype=Float64) for name in RATIO_OUTPUTS],
        mode="python",
        name="application_ratios",
        description="Amounts as requested, ratios of the form, summaries of the external scores, pairs of views.",
        owner=application.owner,
    )
    def ratios(inputs: dict[str, Any]) -> dict[str, Any]:
        from feature_repo.on_demand_views import ratios_of_lists

        return ratios_of_lists(inputs)

    view: OnDemandFeatureView = ratios
    return view


def _inputs(views: Iterable[FeatureView]) -> list[FeatureView]:
    """What the function reads of each view that holds any of it."""
    names = [(view, [field.name for field in view.features if field.name in RATIO_INPUTS]) for view in views]
    return [view[chosen] for view, chosen in names if chosen]


def ratios_of_lists(inputs: Mapping[str, Sequence[float | None]]) -> dict[str, list[float | None]]:
    """`credit.features.application_ratios` for Feast's python mode: lists, None where there is no value."""
    columns = {name: np.array(inputs[name], dtype=np.float64) for name in RATIO_INPUTS}
    overrides = {name: np.array(inputs[field], dtype=np.float64) for field, name in OVERRIDE_FIELDS.items()}
    return {
        name: [None if missing else value for value, missing in zip(values.tolist(), np.isnan(values), strict=True)]
        for name, values in application_ratios(columns, overrides).items()
    }
