"""The Ray Serve application: features by client id, score, reasons, decision record."""
