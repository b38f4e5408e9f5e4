"""What a caller may name: stored features, request-time features, and the raw columns of an application."""

from dataclasses import dataclass
from functools import cached_property

from credit.schemas.features import FeatureContract, ValueType
from credit.schemas.raw import RawColumn
from feature_repo.form_features import APPLICATION_VIEW, FormFeature, form_columns, form_features


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stored feature lies: its view, and its type there."""

    view: str
    type: ValueType


class Names:
    """The names that one model's contract gives a meaning."""

    def __init__(self, contract: FeatureContract) -> None:
        self.contract = contract
        #: Columns of the contract's views: the model's stored features, and inputs of the request-time ones.
        self.stored = {column.name: Place(view.name, column.type) for view in contract.views for column in view.columns}
        #: Column of the matrix by request-time feature.
        self.request_time = {feature.name: at for at, feature in enumerate(contract.features) if feature.view is None}
        #: Features of the application view that raw columns give as the contract wants them.
        self.forms: tuple[FormFeature, ...] = tuple(form for form in form_features() if self._wanted(form))

    @cached_property
    def raw(self) -> dict[str, RawColumn]:
        """Raw columns of an application, also those that the model does not read."""
        return form_columns()

    @cached_property
    def read_columns(self) -> frozenset[str]:
        """Raw columns that the model reads."""
        return frozenset(column for form in self.forms for column in form.columns)

    def _wanted(self, form: FormFeature) -> bool:
        return self.stored.get(form.name) == Place(APPLICATION_VIEW, form.type)
