"""Which unseen clients a model may be judged on: those who applied after everything it had learned from."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from credit.bundle.bundle import Bundle
from training.unseen import Unseen


def unseen_from(*bundles: Bundle) -> datetime:
    """The first moment that none of these models has learned from."""
    return max(bundle.manifest.provenance.test_from for bundle in bundles)


def since(unseen: Unseen, moment: datetime) -> Unseen:
    """The clients with T0 >= `moment`."""
    first = np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
    rows = np.flatnonzero(unseen.applied_at >= first)
    if rows.size == unseen.applied_at.size:
        return unseen
    return replace(
        unseen,
        client_ids=unseen.client_ids[rows],
        applied_at=unseen.applied_at[rows],
        labels=unseen.labels[rows],
        features=unseen.features.take(pa.array(rows)),
        groups={name: [values[row] for row in rows.tolist()] for name, values in unseen.groups.items()},
    )
