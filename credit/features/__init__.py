"""Request-time features: one vectorised function, used by training, serving and the Feast on-demand view."""

from credit.features.ratios import RATIO_INPUTS, RATIO_OUTPUTS, application_ratios

__all__ = ["RATIO_INPUTS", "RATIO_OUTPUTS", "application_ratios"]
