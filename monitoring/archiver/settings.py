"""Settings of the archiver: part of the environment variables `MONITORING_*`."""

from typing import Annotated

from pydantic import Field

from credit.settings import EnvironmentSettings


class ArchiverSettings(EnvironmentSettings):
    """What an operator can set about archiving decisions."""

    archive_batch_records: Annotated[int, Field(ge=1, le=100_000, description="Records of one archived batch.")] = 2_000
    archive_batch_seconds: Annotated[
        float, Field(ge=0, description="Age at which records are archived although the batch is not full.")
    ] = 60.0
    archive_poll_seconds: Annotated[float, Field(gt=0, description="Pause between two looks at the streams.")] = 1.0
    archive_lock_seconds: Annotated[
        float, Field(ge=0.2, description="Time after which the lock of an archiver that died is free again.")
    ] = 15.0
