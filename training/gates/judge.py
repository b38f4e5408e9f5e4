"""All gates of a challenger."""

import numpy as np
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from credit.errors import FeatureError, TrainingError
from credit.progress import step
from training.gates.calibration import calibration_gate
from training.gates.comparison import RELATIVE, comparison_gates, unjudged
from training.gates.fairness import fairness_gate
from training.gates.latency import latency_gate
from training.gates.report import Gate, GateReport
from training.gates.schema import StoreContract, schema_gate
from training.gates.settings import GateSettings
from training.gates.window import since, unseen_from
from training.unseen import Unseen


def judge(
    challenger: Bundle, champion: Bundle | None, unseen: Unseen, store_contract: StoreContract, settings: GateSettings
) -> GateReport:
    """Judge a challenger on its out-of-time test.

    Args:
        challenger: verified.
        champion: the model that decides now; None for the first model, which is compared with approving everybody.
        unseen: the challenger's out-of-time test, with the features of both models.
        store_contract: what the challenger's feature service delivers as registered.
        settings: limits.

    Raises:
        TrainingError: there is no client that the challenger has not seen.
    """
    test = since(unseen, unseen_from(challenger))
    if not test.labels.size:
        raise TrainingError("no labelled client applied after everything that the challenger learned from")
    compared = since(test, unseen_from(challenger, *([champion] if champion else [])))
    with step("Judge the challenger"):
        gates = (
            *_data_gates(challenger, champion, test, compared, settings),
            schema_gate(challenger.contract, store_contract),
        )
    return GateReport(
        challenger=challenger.bundle_id,
        champion=champion.bundle_id if champion else None,
        clients=test.labels.size,
        defaults=int(test.labels.sum()),
        test_from=unseen_from(challenger),
        compared=compared.labels.size,
        gates=gates,
    )


def _data_gates(
    challenger: Bundle, champion: Bundle | None, test: Unseen, compared: Unseen, settings: GateSettings
) -> tuple[Gate, ...]:
    try:
        matrix = test.matrix(challenger)
    except FeatureError as error:
        return unjudged((*RELATIVE, "calibration", "fairness", "latency"), str(error))
    probabilities: NDArray[np.float64] = challenger.predict(matrix).probability
    return (
        *comparison_gates(challenger, champion, compared, settings),
        calibration_gate(test.labels, probabilities, settings),
        fairness_gate(test.labels, probabilities, challenger.policy.threshold, test.groups, settings),
        latency_gate(challenger, matrix, settings),
    )
