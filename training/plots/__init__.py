"""Pictures of a model, one file each, for the experiment tracker and the model card."""

from training.plots.writing import PICTURES, write_plots

__all__ = ["PICTURES", "write_plots"]
