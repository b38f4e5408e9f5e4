"""From Feast's feature views to packed layouts: types, names, protobuf values."""

from typing import Final, NamedTuple, cast

from feast import FeatureView, Field
from feast.base_feature_view import BaseFeatureView
from feast.types import Bool, FeastType, Float32, Float64, Int32, Int64, String, UnixTimestamp

from credit.errors import FeatureError
from credit.schemas.features import MissingPolicy, ValueType, ViewColumn, ViewSpec

#: The only join key that the packed store knows.
JOIN_KEY: Final = "SK_ID_CURR"
#: Tags that carry what Feast has no field for.
TTL_TAG: Final = "ttl_seconds"
MISSING_POLICY_TAG: Final = "missing_policy"

FEAST_TYPES: Final[dict[ValueType, FeastType]] = {
    "float32": Float32,
    "float64": Float64,
    "int32": Int32,
    "int64": Int64,
    "bool": Bool,
    "string": String,
    "unix_timestamp": UnixTimestamp,
}
_VALUE_TYPES: Final[dict[FeastType, ValueType]] = {feast: ours for ours, feast in FEAST_TYPES.items()}
#: Field of Feast's protobuf value that holds each type.
PROTO_FIELDS: Final[dict[ValueType, str]] = {
    "float32": "float_val",
    "float64": "double_val",
    "int32": "int32_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "string": "string_val",
    "unix_timestamp": "unix_timestamp_val",
}


def spec_of(view: BaseFeatureView) -> ViewSpec:
    """The online layout of a Feast feature view; freshness limit and missing policy come from its tags.

    Raises:
        FeatureError: the view has another join key than SK_ID_CURR, or a type that the packed store cannot hold.
    """
    if isinstance(view, FeatureView) and view.join_keys != [JOIN_KEY]:
        raise FeatureError(
            f"view {view.name} is keyed by {', '.join(view.join_keys) or 'nothing'}; the packed online store holds "
            f"views keyed by {JOIN_KEY} only: set online=False or change the entity"
        )
    columns = tuple(ViewColumn(name=field.name, type=_value_type(view.name, field)) for field in view.features)
    return ViewSpec(
        name=view.name,
        columns=columns,
        ttl_seconds=int(view.tags.get(TTL_TAG, 0)),
        missing_policy=cast(MissingPolicy, view.tags.get(MISSING_POLICY_TAG, "impute")),
    )


class TimeColumns(NamedTuple):
    """Columns of a view's source that hold its two times."""

    event: str
    created: str | None


def times_of(view: FeatureView) -> TimeColumns:
    """Where a view's batch source keeps event and created timestamps.

    Raises:
        FeatureError: the view has no batch source.
    """
    source = view.batch_source
    if source is None or not source.timestamp_field:
        raise FeatureError(f"view {view.name} has no batch source with an event timestamp; it cannot be materialised")
    return TimeColumns(source.timestamp_field, source.created_timestamp_column or None)


def _value_type(view: str, field: Field) -> ValueType:
    try:
        return _VALUE_TYPES[field.dtype]
    except (KeyError, TypeError):
        raise FeatureError(
            f"view {view}, {field.name}: the packed online store cannot hold {field.dtype}; it holds {[*FEAST_TYPES]}"
        ) from None
