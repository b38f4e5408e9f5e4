import dataclasses
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from training_data import synthetic_dataset

from credit.bundle.encoding import MatrixEncoder
from credit.errors import TrainingError
from training.dataset import Dataset, draft_contract, fingerprint, moment, same_person


@pytest.fixture(scope="module")
def dataset():
    return synthetic_dataset(400)


def test_applications_of_one_person_share_the_smallest_id():
    table = pa.table(
        {
            "SK_ID_CURR": [5, 3, 9, 7, 8],
            "CODE_GENDER": ["F", "F", "M", "F", "F"],
            "DAYS_BIRTH": [-10_000, -10_400, -10_000, -10_000, -12_000],
            "DAYS_REGISTRATION": [-4_000.0, -4_400.0, -4_000.0, -4_001.0, None],
            "DAYS_ID_PUBLISH": [-3_000, -3_400, -3_000, -3_000, -3_000],
        }
    )
    assert same_person(table).tolist() == [3, 3, 9, 7, 8]


def test_the_contract_takes_categories_from_the_given_rows_only(dataset):
    income = dataset.features.column("name_education_type").to_pylist()
    rows = np.array([at for at, value in enumerate(income) if value in ("cat_2", "cat_0", None)])
    contract = draft_contract(dataset, rows)
    assert contract.categories == {"name_education_type": ("cat_0", "cat_2")}
    assert contract.features == dataset.declared.features
    assert contract.views == dataset.declared.views


def test_unknown_of_ingestion_stays_unknown(dataset):
    at = dataset.features.column_names.index("name_education_type")
    marked = dataset.features.set_column(at, "name_education_type", pa.array(["UNKNOWN", "cat_1"] * 200))
    contract = draft_contract(dataclasses.replace(dataset, features=marked), np.arange(400))
    assert contract.categories["name_education_type"] == ("cat_1",)


def test_the_fingerprint_sees_every_part_of_the_data(dataset):
    contract = draft_contract(dataset, np.arange(400))
    matrix = MatrixEncoder(contract).from_columns(dataset.columns())
    changed = matrix.copy()
    changed[17, 3] += 1e-9
    other_label = dataclasses.replace(dataset, labels=1 - dataset.labels)
    seen = {fingerprint(dataset, matrix), fingerprint(dataset, changed), fingerprint(other_label, matrix)}
    assert len(seen) == 3
    assert fingerprint(dataset, matrix.copy()) in seen


def test_one_class_and_missing_features_are_refused(dataset):
    with pytest.raises(TrainingError, match="both classes"):
        dataclasses.replace(dataset, labels=np.zeros(400, dtype=np.int64))
    with pytest.raises(TrainingError, match="bureau_debt_sum"):
        dataclasses.replace(dataset, features=dataset.features.drop_columns(["bureau_debt_sum"]))
    with pytest.raises(TrainingError, match="no labelled"):
        Dataset(
            *(np.array([], dtype=np.int64) for _ in range(4)),
            dataset.features.slice(0, 0),
            dataset.declared,
            dataset.known_until,
        )


def test_moments_are_in_utc():
    assert moment(np.datetime64("2024-05-06T07:08:09.000010", "us")) == datetime(2024, 5, 6, 7, 8, 9, 10, tzinfo=UTC)
