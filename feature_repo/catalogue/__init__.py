"""Every feature with its name, meaning and window; reading it imports no engine."""

from feature_repo.catalogue.loading import load_catalogue
from feature_repo.catalogue.model import Catalogue, Feature, ProtectedAttribute, Relation, View, online_view_specs

__all__ = ["Catalogue", "Feature", "ProtectedAttribute", "Relation", "View", "load_catalogue", "online_view_specs"]
