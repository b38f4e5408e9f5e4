"""Exact SHAP values of LightGBM trees, tabulated once for each leaf so that explaining a client is looking up."""
