"""`creditctl features proxies`: which features tell a protected attribute, measured."""

from typing import TYPE_CHECKING, Annotated

import typer

from credit.errors import GateRefusedError
from feature_repo.catalogue import load_catalogue
from feature_repo.cli.options import HomeOption, JsonOption, chosen_home

if TYPE_CHECKING:
    from feature_repo.proxies import ProxyReport

_SHOWN = 12


def proxies(
    run: Annotated[str, typer.Option(help="A finished run of the offline store.")] = "training",
    limit: Annotated[
        float, typer.Option(min=0.5, max=1.0, help="AUC above which a decision feature must be declared.")
    ] = 0.8,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how well each feature alone tells gender, pension age, a partner or children; exit 2 beyond the limit."""
    from feature_repo.locations import offline_location
    from feature_repo.proxies import measure_proxies  # loads numpy and pyarrow

    folder = chosen_home(home)
    report = measure_proxies(offline_location(folder), run, load_catalogue())
    typer.echo(report.model_dump_json() if as_json else _text(report, limit))
    refused = [f"{row.feature} ({', '.join(row.beyond(limit))})" for row in report.features if row.beyond(limit)]
    if refused:
        raise GateRefusedError(
            f"{len(refused)} decision features tell a protected attribute better than {limit}: {', '.join(refused)}; "
            "move them to the view demographics, or say in the catalogue with proxy_for and kept_because why they stay"
        )


def _text(report: "ProxyReport", limit: float) -> str:
    shares = ", ".join(f"{name} {share:.1%}" for name, share in report.shares.items())
    lines = [f"run {report.run}: {report.rows:,} rows; shares: {shares}; AUC of one feature alone, limit {limit}"]
    lines.append(f"{'feature':<34}{'':<10}" + "".join(f"{name:>15}" for name in report.shares))
    told = sum(row.strongest()[0] > limit for row in report.features)
    for row in report.features[: max(_SHOWN, told)]:
        state = "excluded" if not row.decision else "kept" if row.allowed else ""
        lines.append(f"{row.feature:<34}{state:<10}" + "".join(f"{row.auc[name]:>15.3f}" for name in report.shares))
    return "\n".join(lines)
