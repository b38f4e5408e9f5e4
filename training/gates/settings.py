"""Limits of the gates: environment variables `GATES_*`."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from credit.schemas.features import Frozen
from credit.settings import EnvironmentSettings

Ratio = Annotated[float, Field(ge=0, le=1)]


class FairnessLimits(Frozen):
    """What one attribute's groups may differ by."""

    adverse_impact_ratio: float
    false_positive_gap: float
    calibration_gap: float


class GateSettings(EnvironmentSettings):
    """What a challenger has to reach before it may decide."""

    model_config = SettingsConfigDict(env_prefix="GATES_", frozen=True, extra="forbid")

    least_clients: int = Field(default=300, ge=1, description="Fewest unseen clients that models are compared on.")
    least_defaults: int = Field(default=20, ge=1, description="Fewest defaults among them.")
    replicates: int = Field(default=500, ge=100, le=10_000, description="Bootstrap resamples behind an interval.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Share of resamples inside an interval.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of resamples and simulations.")

    auc_margin: float = Field(
        default=0.0, ge=0, lt=0.5, description="AUC that the challenger may lie below the champion beyond the interval."
    )
    cost_margin: float = Field(
        default=0.0, ge=0, description="Cost per client that the challenger may lie above the champion likewise."
    )

    calibration_error: float = Field(
        default=0.01, gt=0, lt=1, description="ECE (10 bins of equal mass) that passes on any number of clients."
    )
    calibration_quantile: float = Field(
        default=0.95, gt=0, lt=1, description="Share of calibrated models whose ECE would pass on this many clients."
    )
    mean_gap: float = Field(
        default=0.005, gt=0, lt=1, description="Mean PD less default rate, either way, that passes on any number."
    )

    small_group: int = Field(default=200, ge=1, description="Groups of fewer clients are shown and not judged.")
    gender_adverse_impact_ratio: Ratio = Field(
        default=0.80, description="Lowest over highest approval rate of genders, at least."
    )
    gender_false_positive_gap: Ratio = Field(
        default=0.10, description="Share of payers refused, highest less lowest of genders, at most."
    )
    gender_calibration_gap: Ratio = Field(
        default=0.02,
        description="Mean PD less default rate of a gender, away from that of all clients, at most; "
        "chance is allowed for.",
    )
    age_band_adverse_impact_ratio: Ratio = Field(default=0.40, description="The same of age bands.")
    age_band_false_positive_gap: Ratio = Field(default=0.45, description="The same of age bands.")
    age_band_calibration_gap: Ratio = Field(default=0.03, description="The same of age bands.")
    family_status_adverse_impact_ratio: Ratio = Field(default=0.70, description="The same of family status.")
    family_status_false_positive_gap: Ratio = Field(default=0.25, description="The same of family status.")
    family_status_calibration_gap: Ratio = Field(default=0.03, description="The same of family status.")

    latency_ms: float = Field(
        default=15.0, gt=0, description="Median milliseconds of the score and exact reasons of one client, one thread."
    )
    latency_rows: int = Field(default=200, ge=1, description="Clients behind that median.")

    @property
    def fairness(self) -> dict[str, FairnessLimits]:
        """Limits by attribute."""
        return {
            "gender": FairnessLimits(
                adverse_impact_ratio=self.gender_adverse_impact_ratio,
                false_positive_gap=self.gender_false_positive_gap,
                calibration_gap=self.gender_calibration_gap,
            ),
            "age_band": FairnessLimits(
                adverse_impact_ratio=self.age_band_adverse_impact_ratio,
                false_positive_gap=self.age_band_false_positive_gap,
                calibration_gap=self.age_band_calibration_gap,
            ),
            "family_status": FairnessLimits(
                adverse_impact_ratio=self.family_status_adverse_impact_ratio,
                false_positive_gap=self.family_status_false_positive_gap,
                calibration_gap=self.family_status_calibration_gap,
            ),
        }
