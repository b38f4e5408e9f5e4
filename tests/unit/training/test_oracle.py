import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from training.run import oracle_probabilities


def test_the_oracle_of_other_clients_is_not_used(tmp_path):
    path = tmp_path / "oracle.parquet"
    assert oracle_probabilities(path, np.array([1])) is None
    pq.write_table(pa.table({"SK_ID_CURR": [1, 2], "PD": [0.1, 0.2]}), path)
    assert oracle_probabilities(path, np.array([2, 1])) == {1: 0.1, 2: 0.2}
    assert oracle_probabilities(path, np.array([1, 3])) is None
