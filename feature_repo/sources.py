"""Where feature rows come from: Parquet files of the offline store, and pushes."""

from feast import FileSource, PushSource
from feast.data_format import ParquetFormat

from credit.platform import Home
from feature_repo.catalogue import View
from feature_repo.locations import offline_location

EVENT_TIMESTAMP = "as_of"
CREATED_TIMESTAMP = "created_ts"


def batch_source(view: View, home: Home) -> FileSource:
    """Every run of a view: `<offline>/<view>/<run>/bucket-*.parquet`.

    A view's folder holds finished runs only: what a running build has made lies beside the views.
    """
    folder = offline_location(home) / view.name
    return FileSource(
        name=f"{view.name}_files",
        path=str(folder),
        file_format=ParquetFormat(),
        s3_endpoint_override=folder.endpoint,
        timestamp_field=EVENT_TIMESTAMP,
        created_timestamp_column=CREATED_TIMESTAMP,
        description=f"Built rows of {view.name}.",
        owner=view.owner,
    )


def push_source(view: View, home: Home) -> PushSource:
    """`FeatureStore.push("<view>_push", rows)` puts rows online between two builds."""
    return PushSource(name=f"{view.name}_push", batch_source=batch_source(view, home), owner=view.owner)
