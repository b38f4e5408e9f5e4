"""Why features that a caller sends are not scored."""

from collections.abc import Mapping, Sequence
from typing import Final

from credit.errors import CreditError

_MOST_FINDINGS: Final = 20
_LONGEST_NAME: Final = 80


class InvalidFeaturesError(CreditError):
    """Names or values are wrong; `findings` says by feature what is, for the first twenty."""

    code = "invalid_request"

    def __init__(self, findings: Mapping[str, str]) -> None:
        shown = list(findings.items())[:_MOST_FINDINGS]
        self.findings = {name[:_LONGEST_NAME]: text for name, text in shown}
        rest = len(findings) - len(shown)
        more = f"; and {rest} more" if rest else ""
        super().__init__("; ".join(f"{name}: {text}" for name, text in self.findings.items()) + more)


class LackingFeaturesError(CreditError):
    """Nothing was given of views that the model must not do without."""

    code = "incomplete_features"

    def __init__(self, views: Sequence[str]) -> None:
        self.views = tuple(views)
        super().__init__(f"not scored: the features hold no value of {', '.join(views)}, which the model must have")
