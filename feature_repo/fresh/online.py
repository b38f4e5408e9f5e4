"""Rows into the online store through Feast's push, and back out of it as serving reads them."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Final

import pyarrow as pa
from feast import FeatureStore
from feast.data_source import PushMode
from feast.errors import FeatureViewNotFoundException

from credit.errors import CreditError, FeatureError, StepError
from credit.platform import Home
from credit.schemas.features import MissingPolicy, ViewBatch
from feature_repo.catalogue import View
from feature_repo.feast_output import quiet_feast
from feature_repo.online.specs import spec_of
from feature_repo.online_access import online_reader
from feature_repo.settings import FeatureSettings
from feature_repo.store import registered_store

_LAST: Final[dict[MissingPolicy, int]] = {"impute": 0, "refer": 1, "refuse": 2}


def push_order(views: Sequence[View]) -> list[View]:
    """The views whose absence refuses a request come last: a half-pushed new client is never scored on a part."""
    return sorted(views, key=lambda view: _LAST[view.missing_policy])


class OnlinePush:
    """Feast's push for some views, checked before anything is written.

    Raises:
        FeatureError: a view is not online, or is not registered as the catalogue has it.
    """

    def __init__(self, home: Home, views: Sequence[View]) -> None:
        self._views = push_order(views)
        with quiet_feast():
            self._store = registered_store(home)
            for view in self._views:
                _check(self._store, view)

    def write(self, tables: Mapping[str, pa.Table]) -> None:
        """Push the rows of each view: SK_ID_CURR, as_of, created_ts and the features.

        Raises:
            FeatureError: no row of a view holds any value.
            StoreUnavailableError: the online store did not take the rows.
            StepError: Feast failed.
        """
        for view in self._views:
            _refuse_nothing(view, tables[view.name])
        with quiet_feast():
            for view in self._views:
                self._push(view, tables[view.name])

    def _push(self, view: View, table: pa.Table) -> None:
        try:
            # Integers with nulls stay integers: pandas would make them floats.
            frame = table.to_pandas(integer_object_nulls=True)
            self._store.push(f"{view.name}_push", frame, to=PushMode.ONLINE)
        except CreditError:
            raise
        except Exception as error:  # whatever Feast raises: the push failed, with this cause
            raise StepError(f"feast did not push {view.name}: {error}. Mend the cause and repeat it") from error


def stored_rows(settings: FeatureSettings, views: Sequence[View], clients: Sequence[int]) -> dict[str, ViewBatch]:
    """What serving would read of these clients now.

    Raises:
        StoreUnavailableError: the online store did not answer.
    """
    with closing(online_reader(settings, [view.spec for view in views])) as reader:
        return reader.read(clients)


def _check(store: FeatureStore, view: View) -> None:
    if not view.online:
        raise FeatureError(f"view {view.name} is kept offline and cannot be pushed")
    try:
        registered = spec_of(store.get_feature_view(view.name))
    except FeatureViewNotFoundException:
        registered = None
    if registered is None or registered.schema_hash != view.spec.schema_hash:
        raise FeatureError(
            f"view {view.name} is not registered with the features of the catalogue: run `creditctl features apply`"
        )


def _refuse_nothing(view: View, table: pa.Table) -> None:
    names = [feature.name for feature in view.features]
    if all(table[name].null_count == table.num_rows for name in names):
        raise FeatureError(f"view {view.name}: no row holds a value, and Feast does not push rows of nulls only")
