"""The realism check: generated data measured against the public figures of the real one."""

from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from credit.progress import step
from feature_repo.datagen.parameters import CLIENTS_TOTAL, TABLE_ROWS
from feature_repo.datagen.realism_features import Frame, connect, labelled_frame
from feature_repo.datagen.realism_models import auc, column_aucs, lightgbm_auc, linear_auc

#: Name: (SQL that gives one number, public figure, tolerance).
_SHARES: dict[str, tuple[str, float, float]] = {
    "pensioners' employment sentinel": (
        "SELECT avg((DAYS_EMPLOYED = 365243)::INT) FROM application_train",
        0.1801,
        0.01,
    ),
    "EXT_SOURCE_1 missing": ("SELECT avg((EXT_SOURCE_1 IS NULL)::INT) FROM application_train", 0.5638, 0.015),
    "EXT_SOURCE_3 missing": ("SELECT avg((EXT_SOURCE_3 IS NULL)::INT) FROM application_train", 0.1983, 0.015),
    "bureau credits closed": ("SELECT avg((CREDIT_ACTIVE = 'Closed')::INT) FROM bureau", 0.6259, 0.03),
    "bureau maturities ahead": ("SELECT avg((DAYS_CREDIT_ENDDATE > 0)::INT) FROM bureau", 0.3523, 0.05),
    "bureau months closed": ("SELECT avg((STATUS = 'C')::INT) FROM bureau_balance", 0.5063, 0.03),
    "previous approved": (
        "SELECT avg((NAME_CONTRACT_STATUS = 'Approved')::INT) FROM previous_application",
        0.6207,
        0.02,
    ),
    "previous refused": ("SELECT avg((NAME_CONTRACT_STATUS = 'Refused')::INT) FROM previous_application", 0.174, 0.02),
    "previous weekday fits the calendar": (
        "SELECT avg((p.WEEKDAY_APPR_PROCESS_START = list_extract(days, 1 + (7 + (list_position(days,"
        " a.WEEKDAY_APPR_PROCESS_START) - 1 + p.DAYS_DECISION) % 7) % 7))::INT) FROM previous_application p"
        " JOIN application_train a USING (SK_ID_CURR), (SELECT ['MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY',"
        " 'FRIDAY', 'SATURDAY', 'SUNDAY'] AS days)",
        0.863,
        0.015,
    ),
    "instalments late": (
        "SELECT avg((DAYS_ENTRY_PAYMENT > DAYS_INSTALMENT)::INT) FROM installments_payments",
        0.0867,
        0.01,
    ),
    "instalments early": (
        "SELECT avg((DAYS_ENTRY_PAYMENT < DAYS_INSTALMENT)::INT) FROM installments_payments",
        0.6797,
        0.02,
    ),
    "instalments underpaid": (
        "SELECT avg((AMT_PAYMENT < AMT_INSTALMENT - 0.01)::INT) FROM installments_payments",
        0.1016,
        0.015,
    ),
    "card instalments": ("SELECT avg((NUM_INSTALMENT_VERSION = 0)::INT) FROM installments_payments", 0.3035, 0.03),
    "card months without balance": ("SELECT avg((AMT_BALANCE = 0)::INT) FROM credit_card_balance", 0.5593, 0.05),
}
_INVARIANTS = {
    "closed credits that end after T0": (
        "SELECT count(*) FROM bureau WHERE CREDIT_ACTIVE = 'Closed' "
        " AND (DAYS_ENDDATE_FACT > 0 OR DAYS_ENDDATE_FACT IS NULL)"
    ),
    "bureau updates before the opening or after T0": (
        "SELECT count(*) FROM bureau WHERE DAYS_CREDIT_UPDATE < DAYS_CREDIT OR DAYS_CREDIT_UPDATE > 0"
    ),
    "payments dated after T0": (
        "SELECT count(*) FROM installments_payments WHERE DAYS_ENTRY_PAYMENT > 0 OR DAYS_INSTALMENT > 0"
    ),
}
_ROW_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Finding:
    """One measured figure with its limits; `passed` is the verdict."""

    name: str
    measured: float
    lowest: float
    highest: float

    @property
    def passed(self) -> bool:
        """Whether the figure lies within its limits."""
        return self.lowest <= self.measured <= self.highest

    def report(self) -> dict[str, object]:
        """The finding as JSON-ready values."""
        return asdict(self) | {"passed": self.passed}


def measure(folder: Path, oracle: Path, clients: int, threads: int = 2) -> list[Finding]:
    """Measure the portfolio of `clients` clients below `folder` whose true PDs are in the file `oracle`."""
    with connect(folder, threads=threads) as connection:
        with step("measure tables"):
            findings = table_findings(connection, clients)
        with step("compute history features"):
            frame = labelled_frame(connection, oracle)
    return model_findings(frame, threads) + findings


def table_findings(connection: duckdb.DuckDBPyConnection, clients: int) -> list[Finding]:
    """Row counts, shares and time invariants."""
    findings = []
    for name, rows in TABLE_ROWS.items():
        expected = rows * clients / CLIENTS_TOTAL
        ratio = _number(connection, f"SELECT count(*) FROM {name}") / expected
        findings.append(Finding(f"rows of {name} / expected", ratio, 1 - _ROW_TOLERANCE, 1 + _ROW_TOLERANCE))
    for name, (sql, expected, tolerance) in _SHARES.items():
        low, high = expected - tolerance, expected + tolerance
        findings.append(Finding(f"share: {name}", _number(connection, sql), low, high))
    findings += [Finding(f"count: {name}", _number(connection, sql), 0, 0) for name, sql in _INVARIANTS.items()]
    return findings


def model_findings(frame: Frame, threads: int) -> list[Finding]:
    """What models make of the data, against what they make of the real data and against the true PD."""
    form, everything = frame.columns(history=False), frame.columns(history=True)
    with step("train models", total=5) as progress:
        single = column_aucs(frame)
        strongest = max(single, key=lambda name: single[name])
        progress.advance()
        results = []
        for columns in (form, everything):
            results.append(lightgbm_auc(frame, columns, threads))
            progress.advance()
        for columns in (form, everything):
            results.append(linear_auc(frame, columns))
            progress.advance()
    form_trees, all_trees, form_linear, all_linear = results
    oracle = auc(frame.target, frame.pd)
    return [
        Finding("target rate", float(frame.target.mean()), 0.0757, 0.0857),
        Finding(f"AUC, strongest raw column ({strongest})", single[strongest], 0.60, 0.68),
        Finding("AUC, LightGBM, application only", form_trees, 0.74, 0.77),
        Finding("AUC, LightGBM, with history", all_trees, 0.76, 0.81),
        Finding("AUC gained by the history", all_trees - form_trees, 0.015, 0.06),
        Finding("AUC, logistic regression, application only", form_linear, 0.70, 0.77),
        Finding("AUC, logistic regression, with history", all_linear, 0.74, 0.80),
        Finding("AUC, LightGBM over logistic regression", all_trees - all_linear, 0.005, 0.05),
        Finding("AUC, true PD", oracle, 0.79, 0.83),
        Finding("share of the way from 0.5 to the true PD", (all_trees - 0.5) / (oracle - 0.5), 0.9, 1.0),
    ]


def _number(connection: duckdb.DuckDBPyConnection, sql: str) -> float:
    (row,) = connection.execute(sql).fetchall()
    return float(row[0])
