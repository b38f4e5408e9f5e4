"""What decisions are worth by the true probabilities of simulated clients, which no job of the platform ever sees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from credit.cost import CostMatrix, expected_cost
from credit.errors import DataError
from credit.schemas.decision import DecisionRecord
from credit.scoring import recorded_views


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Expected cost per client of two models and of the truth itself, on the very same clients."""

    clients: int
    before: float
    after: float
    truth: float


def compare(
    records: Sequence[DecisionRecord], before: Bundle, after: Bundle, costs: CostMatrix, truth: Mapping[int, float]
) -> Verdicts:
    """Decide n recorded applications again with two models, and let the true probabilities judge.

    Raises:
        DataError: none of the clients has a known probability.
    """
    known = [record for record in records if record.client_id in truth]
    if not known:
        raise DataError("none of these clients is a simulated one")
    true = np.array([truth[record.client_id] for record in known])

    def cost(bundle: Bundle) -> float:
        return expected_cost(costs, true, _probabilities(known, bundle), bundle.policy.threshold)

    return Verdicts(len(known), cost(before), cost(after), expected_cost(costs, true, true, costs.bayes_threshold))


def true_probabilities(file: Path) -> dict[int, float]:
    """True PD by client id, of a Parquet file with SK_ID_CURR and PD."""
    table = pq.read_table(file, columns=["SK_ID_CURR", "PD"])
    return dict(zip(table["SK_ID_CURR"].to_pylist(), table["PD"].to_pylist(), strict=True))


def exported_records(file: Path) -> list[DecisionRecord]:
    """The decisions of a file that `creditctl decisions export` wrote as JSON lines."""
    with file.open(encoding="utf-8") as lines:
        return [DecisionRecord.model_validate_json(line) for line in lines]


def _probabilities(records: Sequence[DecisionRecord], bundle: Bundle) -> NDArray[np.float64]:
    overrides = [record.overrides for record in records]
    return bundle.predict(bundle.matrix(recorded_views(records, bundle.contract), overrides)).probability
