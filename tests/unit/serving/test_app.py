import subprocess
import sys

import pytest

HEAVY = ("feast", "pandas", "duckdb", "mlflow", "ray", "lightgbm")


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("serving.app", HEAVY),
        ("serving.cli", HEAVY),
        # What a replica loads: LightGBM brings pandas with it.
        ("serving.replica", ("feast", "duckdb", "mlflow", "ray")),
    ],
)
def test_importing_loads_no_more_than_needed(module, forbidden):
    script = f"import sys, {module}; print([name for name in {forbidden!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
