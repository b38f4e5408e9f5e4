"""The training set in a process of its own: point-in-time features of every label through Feast.

python -m benchmarks.training_set    (CREDIT_HOME names the platform)
"""

import json
import logging
import time

import pyarrow as pa

from credit.platform import Home
from feature_repo.aggregates.spine import training_spine
from feature_repo.feature_services import DECISION
from feature_repo.locations import event_store
from feature_repo.store import historical_features


def main() -> None:
    """Join, and answer with rows, columns and seconds as JSON."""
    logging.basicConfig(level=logging.WARNING)
    home = Home.current()
    store = event_store(home)
    spine = training_spine(store)
    labels = pa.concat_tables([spine.for_bucket(bucket) for bucket in range(store.buckets)])
    started = time.perf_counter()
    features = historical_features(home, labels, DECISION)
    seconds = time.perf_counter() - started
    assert features.num_rows == labels.num_rows
    print(json.dumps({"rows": features.num_rows, "columns": features.num_columns, "seconds": round(seconds, 2)}))


if __name__ == "__main__":
    main()
