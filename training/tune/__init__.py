"""Hyperparameter tuning: a resumable study, searched here or on a Ray cluster."""
