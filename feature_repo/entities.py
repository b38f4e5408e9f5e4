"""Who features belong to."""

from feast import Entity, ValueType

from feature_repo.online.specs import JOIN_KEY


def client_entity() -> Entity:
    """An applicant, by the lender's client number."""
    return Entity(
        name="client",
        join_keys=[JOIN_KEY],
        value_type=ValueType.INT64,
        description="An applicant; SK_ID_CURR is the lender's client number.",
    )
