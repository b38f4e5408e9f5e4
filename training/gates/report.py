"""What the gates say: per gate a figure, its limit and a sentence; together a verdict."""

from datetime import datetime

from pydantic import Field

from credit.schemas.features import Frozen


class Gate(Frozen):
    """One gate's verdict.

    Attributes:
        name: auc, cost, calibration, fairness, latency or schema; champion, where the champion cannot be loaded.
        passed: whether the challenger may go on.
        figure: what was measured; None when it could not be.
        low, high: interval of the figure, where there is one.
        limit: what the figure is held against.
        sentence: what was compared with what, and what came of it.
        details: further figures behind the verdict, by name.
    """

    name: str
    passed: bool
    figure: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    sentence: str
    details: dict[str, float] = Field(default_factory=dict)


class GateReport(Frozen):
    """All gates of one challenger.

    Attributes:
        challenger: bundle id.
        champion: bundle id of the model compared with; None for the first model.
        clients: of the challenger's out-of-time test.
        defaults: among them.
        test_from: T0 of the first of them.
        compared: clients on which both models were judged, none of which either model had learned from.
        gates: in a fixed order.
    """

    challenger: str
    champion: str | None
    clients: int
    defaults: int
    test_from: datetime
    compared: int
    gates: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
        """Whether every gate passed."""
        return all(gate.passed for gate in self.gates)

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The gates that refuse."""
        return tuple(gate for gate in self.gates if not gate.passed)

    def text(self) -> str:
        """One line per gate, for people."""
        return "\n".join(
            f"{'passed' if gate.passed else 'FAILED'}  {gate.name}: {gate.sentence}" for gate in self.gates
        )
