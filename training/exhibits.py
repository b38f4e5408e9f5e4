"""What MLflow shows beside a bundle: parameters, pictures, the model card, fairness and tuning reports."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from credit.bundle.bundle import Bundle
from training.assemble import Judged
from training.gates import GateSettings
from training.model_card import CardFacts, card_files, markdown
from training.monotone import monotone_constraints
from training.plots import write_plots
from training.prepare import Prepared
from training.registry import Extras
from training.report import report_on
from training.settings import TrainingSettings
from training.unseen import Unseen

if TYPE_CHECKING:
    from training.tune.report import Tuned


@dataclass(frozen=True, slots=True)
class Exhibits:
    """One finished model with everything that its run knows."""

    bundle: Bundle
    judged: Judged
    prepared: Prepared
    settings: TrainingSettings
    unseen: Unseen
    tuned: "Tuned | None"


def exhibits_of(plots: Path, run: Exhibits) -> Extras:
    """Draw into the new folder `plots` and write everything else in memory."""
    plots.mkdir()
    report = report_on(
        run.bundle,
        run.prepared.part("test"),
        run.prepared.part("calibration"),
        baseline=run.judged.baseline,
        groups=run.unseen.groups,
        explain_rows=run.settings.explain_rows,
        seed=run.settings.seed,
    )
    validated = run.judged.cross_validation
    facts = CardFacts(
        run.bundle,
        report,
        monotone=monotone_constraints(),
        cross_validation={"auc": validated.auc, "log_loss": validated.log_loss} if validated else {},
        fairness_limits={name: limits.model_dump() for name, limits in GateSettings().fairness.items()},
    )
    files: dict[str, str | bytes] = {**card_files(facts, write_plots(plots, report))}
    if run.tuned:
        run.tuned.write(plots)
        files["tuning.json"] = run.tuned.report.model_dump_json(indent=2)
    return Extras(
        parameters=_parameters(run),
        description=markdown(CardFacts(run.bundle)),
        input_example=run.unseen.features.select(run.bundle.contract.names).slice(0, 1).to_pylist()[0],
        plots=plots,
        files=files,
    )


def _parameters(run: Exhibits) -> dict[str, str]:
    """Settings that shape the model, and what came of them."""
    outcome = {"trees_taken": run.bundle.trees, "calibration": run.bundle.calibration.method}
    origin = run.bundle.manifest.provenance
    rows = {f"rows_{name}": count for name, count in origin.rows.items()}
    data = {"known_until": origin.known_until.isoformat(), "sample": origin.sample, "dataset": origin.dataset_sha256}
    return {name: str(value) for name, value in (run.settings.recipe() | outcome | rows | data).items()}
