"""The credit domain: schemas, decision, cost, calibration, reasons, metrics, model bundle, errors."""

__version__ = "0.1.0"
