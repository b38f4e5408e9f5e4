"""The whole platform on one machine: steps as processes, skipped when their inputs are unchanged."""
