"""The Ray Serve application: one deployment runs the whole request.

Importing this module is cheap: Ray reads its switches when it is first imported, and a replica imports what it needs.
"""

from typing import TYPE_CHECKING, Any

from serving.logs import configure_logging
from serving.settings import ServingSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

DEPLOYMENT = "scoring"
#: Probes and refusals pass beside the scoring requests that are accepted.
_PROBE_ALLOWANCE = 16


class ScoringDeployment:
    """What Ray Serve runs in each replica."""

    def __init__(self, settings: ServingSettings) -> None:
        from serving.replica import Replica

        configure_logging(settings.log_folder)
        self._replica = Replica(settings)
        self._replica.start()

    def __serve_build_asgi_app__(self) -> "ASGIApp":
        return self._replica.api(echo_request_id=False)  # Ray Serve does it

    async def check_health(self) -> None:
        """See `Replica.check_health`; Ray Serve replaces a replica that fails."""
        await self._replica.check_health()

    def __del__(self) -> None:
        replica = getattr(self, "_replica", None)
        if replica is not None:
            replica.close()


def build_app(settings: ServingSettings) -> Any:
    """The Serve application for `settings`."""
    from ray import serve
    from ray.serve.config import BackpressureConfig

    deployment = serve.deployment(
        name=DEPLOYMENT,
        num_replicas=settings.replicas,
        ray_actor_options={"num_cpus": 1},
        max_ongoing_requests=settings.max_ongoing_requests + _PROBE_ALLOWANCE,
        max_queued_requests=settings.max_queued_requests,
        backpressure_config=BackpressureConfig(retry_after_s=1),
        health_check_period_s=5,
        health_check_timeout_s=10,
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=10,
    )(serve.ingress()(ScoringDeployment))
    return deployment.bind(settings)
