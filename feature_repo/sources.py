"""Where feature rows come from: Parquet files of the offline store, and pushes."""

from feast import FileSource, PushSource

from credit.platform import Home
from feature_repo.catalogue import View

EVENT_TIMESTAMP = "as_of"
CREATED_TIMESTAMP = "created_ts"


def batch_source(view: View, home: Home) -> FileSource:
    """Every run of a view: `<offline>/<view>/<run>/bucket-*.parquet`.

    The pattern names the depth of finished runs, so that the scratch folder of a running build is not read.
    """
    return FileSource(
        name=f"{view.name}_files",
        path=str(home.offline / view.name / "*" / "*.parquet"),
        timestamp_field=EVENT_TIMESTAMP,
        created_timestamp_column=CREATED_TIMESTAMP,
        description=f"Built rows of {view.name}.",
        owner=view.owner,
    )


def push_source(view: View, home: Home) -> PushSource:
    """`FeatureStore.push("<view>_push", rows)` puts rows online between two builds."""
    return PushSource(name=f"{view.name}_push", batch_source=batch_source(view, home), owner=view.owner)
