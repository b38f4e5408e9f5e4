"""Gates between a challenger and the champion, judged on the same clients of the out-of-time test."""

from training.gates.judge import judge
from training.gates.report import Gate, GateReport
from training.gates.settings import GateSettings

__all__ = ["Gate", "GateReport", "GateSettings", "judge"]
