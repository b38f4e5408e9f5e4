"""Training measured: how close the model comes to the truth, how long it takes, and how fast it scores a portfolio.

    python -m benchmarks.training [--clients 30000] [--out build/bench]

Generates, ingests and builds a portfolio once per size (kept below the output folder), trains on it with `creditctl
train`, trains again to compare, and scores everybody. Prints a table and writes `training.json`. Generated data has
an oracle, the true PDs, so that a model can be measured against the best there is. What a figure must reach depends on
the number of clients: fewer defaults teach less.
"""

import argparse
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import Finished, creditctl, run
from benchmarks.report import FULL, Row, write_report
from credit.platform import Home

#: From this many clients on, a share of the way to the oracle's AUC is asked for.
MEDIUM = 30_000
_MOST_MIB, _LEAST_MIB, _LEAST_SECONDS = 10 * 1024, 1024, 60


@dataclass(frozen=True, slots=True)
class Bench:
    """One run: the platform under test and how many clients it has."""

    home: Home
    clients: int

    @property
    def env(self) -> dict[str, str]:
        """Environment of the processes that do the work."""
        return {"CREDIT_HOME": str(self.home.root)}

    @property
    def full(self) -> bool:
        """Whether this is the full size, to which most limits belong."""
        return self.clients >= FULL


def main() -> None:
    """Prepare, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=MEDIUM)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    bench = Bench(Home(chosen.out.absolute() / f"features-{chosen.clients}" / "platform"), chosen.clients)
    prepare(bench)
    wish = ["--promote", "--force", "--who", "benchmark", "--why", "what was trained is measured"]
    trained = creditctl(["train", *wish], bench.env)
    rows = [*training_rows(bench, trained), *model_rows(bench, trained.answer["metrics"])]
    rows += [*repeat_rows(bench, trained.answer), *batch_rows(bench)]
    facts = {"clients": bench.clients, "rows_by_part": trained.answer["rows"], "metrics": trained.answer["metrics"]}
    write_report(chosen.out / "training.json", rows, facts)


def prepare(bench: Bench) -> None:
    """Data and features; each step is kept when it is there already."""
    if not (bench.home.raw / "application_train.csv").exists():
        creditctl(["data", "generate", "--clients", str(bench.clients)], bench.env)
    creditctl(["data", "ingest", "--source", str(bench.home.raw)], bench.env)
    creditctl(["features", "backfill", "--spine", "training"], bench.env)
    creditctl(["features", "build"], bench.env)
    creditctl(["features", "apply"], bench.env)


def training_rows(bench: Bench, trained: Finished) -> Iterator[Row]:
    """Time and memory of the whole command: join, cross-validation, baseline, fit, judgement, registry."""
    labels = sum(trained.answer["rows"].values())
    seconds = max(600 * bench.clients / FULL, _LEAST_SECONDS)
    mib = max(_MOST_MIB * bench.clients / FULL, _LEAST_MIB)
    yield Row(
        f"train and register on {labels:,} labels",
        trained.seconds,
        "s",
        peak_rss_mib=trained.peak_rss_mib,
        must=f"<= {seconds:.3g} s, <= {mib:,.0f} MiB",
        met=trained.seconds <= seconds and trained.peak_rss_mib <= mib,
    )


def model_rows(bench: Bench, metrics: Mapping[str, float]) -> Iterator[Row]:
    """The model on the out-of-time test; the baseline of AUC and cost is the oracle's."""
    least = 0.95 if bench.full else 0.82 if bench.clients >= MEDIUM else None
    way = metrics["auc_way_to_oracle"]
    yield Row("AUC against the true PDs'", metrics["auc"], "", metrics["oracle_auc"])
    yield _least("way from 0.5 to the oracle's AUC, by labels", way, least)
    expected = metrics["auc_way_to_oracle_expected"]
    yield _least("way from 0.5 to the oracle's AUC, expected under the true PDs", expected, least)
    most = 0.01 if bench.full else metrics["ece_calibrated_p95"]
    ece = metrics["ece"]
    words = "<= 0.01" if bench.full else f"<= {most:.3g}, the 95th percentile of a calibrated model's"
    yield Row("ECE, 10 bins of equal mass", ece, "", must=words, met=ece <= most)
    for name, how in (("cost_over_oracle", "by labels"), ("cost_over_oracle_expected", "expected under the true PDs")):
        ratio = metrics[name]
        must, met = ("<= 1.03", ratio <= 1.03) if bench.full else ("", None)
        yield Row(f"business cost per client over the oracle's best, {how}", ratio, "", must=must, met=met)
    low = metrics["auc_over_baseline_low"]
    must, met = ("whole interval > 0", low > 0) if bench.full else ("", None)
    gain = metrics["auc_over_baseline"]
    high = metrics["auc_over_baseline_high"]
    yield Row(f"AUC above logistic regression's (95 %: {low:.4f} to {high:.4f})", gain, "", must=must, met=met)


def repeat_rows(bench: Bench, trained: Mapping[str, Any]) -> Iterator[Row]:
    """The registered version rebuilt from what its bundle says."""
    version = trained["version"]["version"]
    answer = creditctl(["models", "rebuild", version, "--fit"], bench.env)
    same = bool(answer.answer["same_data"] and answer.answer["same_model"])
    work = "rebuilt from the registry: data and model text byte for byte"
    yield Row(work, float(same), "", must="1", met=same)


def batch_rows(bench: Bench) -> Iterator[Row]:
    """Batch scoring on all cores, with reasons against LightGBM's own `pred_contrib` on the same matrix."""
    done = run("benchmarks.batch_scoring", ["--json"], bench.env)
    plain, explained, own = (
        done.answer[name]["clients_per_second"] for name in ("without_reasons", "with_reasons", "pred_contrib")
    )
    yield _least("score the portfolio without reasons", plain, 20_000.0, "clients/s", done.peak_rss_mib)
    ratio = explained / own
    must, met = ("ratio >= 0.9", ratio >= 0.9) if bench.full else ("", None)
    yield Row(
        "score the portfolio with exact reasons, against `pred_contrib` alone",
        explained,
        "clients/s",
        own,
        ratio,
        must=must,
        met=met,
    )


def _least(work: str, value: float, least: float | None, unit: str = "", peak: float | None = None) -> Row:
    if least is None:
        return Row(work, value, unit, peak_rss_mib=peak)
    return Row(work, value, unit, peak_rss_mib=peak, must=f">= {least:,.4g}", met=value >= least)


if __name__ == "__main__":
    main()
