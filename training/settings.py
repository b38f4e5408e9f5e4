"""Settings of training: environment variables `TRAINING_*`."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from credit.platform import Home
from credit.settings import EnvironmentSettings

#: Where things are and how fast, which leaves the model as it is.
_NO_RECIPE = {"mlflow_tracking_uri", "private_key", "public_key", "threads", "model_name"}
Share = Annotated[float, Field(gt=0, lt=1)]


class TrainingSettings(EnvironmentSettings):
    """What an operator can set about training and registering a model."""

    model_config = SettingsConfigDict(env_prefix="TRAINING_", frozen=True, extra="forbid")

    mlflow_tracking_uri: str = Field(
        default_factory=lambda: Home.current().mlflow_uri, description="MLflow: sqlite:/// or http(s):// address."
    )
    model_name: str = Field(default="credit-scoring", description="Registered model and MLflow experiment.")
    feature_service: str = Field(default="credit_scoring_v1", description="Feast feature service to train on.")
    private_key: Path | None = Field(
        default=None, description="PEM file of the signing key; unset, a pair is kept in the platform folder."
    )
    public_key: Path | None = Field(
        default=None, description="PEM file of the verifying key; unset, the one in the platform folder."
    )

    cost_false_negative: float = Field(default=10.0, gt=0, description="Cost of approving a client who defaults.")
    cost_false_positive: float = Field(default=1.0, gt=0, description="Cost of refusing a client who would pay.")
    threshold: Literal["bayes", "empirical"] = Field(
        default="bayes",
        description="Threshold by the costs alone (calibrated probabilities), or the cheapest cut of the "
        "calibration part.",
    )

    window_from: date | None = Field(default=None, description="First day of the applications; unset, no limit.")
    window_until: date | None = Field(default=None, description="Last day of the applications; unset, no limit.")
    test_share: Share = Field(default=0.20, description="Newest share of applications: the out-of-time test.")
    validation_share: Share = Field(default=0.10, description="Share of the older persons for early stopping.")
    calibration_share: Share = Field(default=0.15, description="Share of the older persons for calibration.")
    most_tested: int = Field(default=45_000, ge=1, description="About so many clients in the test at most.")
    most_validated: int = Field(default=15_000, ge=1, description="About so many clients in validation at most.")
    most_calibrated: int = Field(default=20_000, ge=1, description="About so many clients in calibration at most.")

    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of the split and of LightGBM.")
    trees: int = Field(default=1_500, ge=1, le=5_000, description="Most trees; early stopping takes fewer.")
    patience: int = Field(default=80, ge=1, description="Trees without a better validation log-loss before stopping.")
    learning_rate: float = Field(default=0.03, gt=0, le=1, description="Shrinkage of each tree.")
    max_depth: int = Field(default=4, ge=1, le=16, description="Deepest tree; bounds the cost of explanations.")
    leaves: int = Field(default=12, ge=2, le=1_024, description="Most leaves of a tree.")
    leaf_clients: int = Field(default=40, ge=1, description="Fewest training clients of a leaf.")
    leaf_shrinkage: float = Field(default=50.0, ge=0, description="L2 penalty of leaf values.")
    feature_share: float = Field(default=0.3, gt=0, le=1, description="Share of features that a tree may use.")
    client_share: float = Field(default=0.8, gt=0, le=1, description="Share of training clients that a tree sees.")
    category_smoothing: float = Field(default=30.0, ge=0, description="Weight of the mean in splits by category.")
    bins: int = Field(default=127, ge=15, le=255, description="Most bins of a number.")
    threads: int = Field(
        default=2, ge=1, description="Threads of LightGBM on large data; the trees do not depend on it."
    )

    folds: int = Field(default=5, ge=0, le=20, description="Folds of the cross-validation; 0 leaves it out.")
    leakage_auc: float = Field(default=0.95, gt=0.5, le=1, description="AUC above which a column counts as leaked.")
    explain_rows: int = Field(default=1_000, ge=1, description="Clients behind the global importance.")
    reference_rows: int = Field(default=5_000, ge=1, description="Clients in the drift reference sample.")
    baseline_rows: int = Field(
        default=1_000_000, ge=1, description="Most clients for the logistic regression baseline."
    )

    def recipe(self) -> dict[str, float | int | str | bool | None]:
        """What shapes split and model; kept in every bundle, so that a run can be repeated."""
        return self.model_dump(mode="json", exclude=_NO_RECIPE)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.validation_share + self.calibration_share >= 0.9:
            raise ValueError("validation_share and calibration_share leave too little to train on")
        return self
