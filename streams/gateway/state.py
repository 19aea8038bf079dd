"""All that a gateway's requests share, made from its settings."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from streams.gateway import routes, settings, signatures
from streams.gateway.arm_switch import ArmSwitch
from streams.gateway.loop_commit import LoopCommit
from streams.gateway.metrics import GatewayMetrics
from streams.gateway.rate_limits import TokenBuckets
from streams.gateway.reaction_keys import ReactionKeys
from streams.gateway.refusals import not_stored
from streams.gateway.served_bundles import ServedBundles
from streams.gateway.upstream import Upstream
from streams.group_commit import BusyError


@dataclass(frozen=True, slots=True)
class GatewayState:
    """What the requests share.

    Attributes:
        settings: Of the gateway's file.
        secret: Signs ids and cookies.
        commit: Where events go.
        routes: Who gets which policy.
        switch: Which arms are off.
        bundles: Which experiments are served by other files than they were started with.
        upstream: The servers of the policies.
        reaction_keys: The memory of `Idempotency-Key`.
        metrics: What is counted.
        key_limits: Requests of each key.
        user_limits: Requests of each user of a key.
    """

    settings: settings.ReadSettings
    secret: bytes
    commit: LoopCommit
    routes: routes.RouteFile
    switch: ArmSwitch
    bundles: ServedBundles
    upstream: Upstream
    reaction_keys: ReactionKeys
    metrics: GatewayMetrics
    key_limits: TokenBuckets
    user_limits: TokenBuckets

    def is_off(self, experiment: str, arm: str) -> bool:
        """Whether an arm must not be served."""
        return self.switch.is_off(experiment, arm) or self.bundles.is_wrong(experiment)

    @property
    def policies(self) -> tuple[str, ...]:
        """What clients may ask for by name: the policies of `[backends]`, then those of experiments that run."""
        return tuple(dict.fromkeys((*self.settings.backends, *self.routes.policies)))

    async def store(self, *lines: bytes) -> None:
        """Return when the broker has acknowledged the lines.

        Raises:
            RefusedError: 503: it has not.
        """
        try:
            with self.metrics.lag.waiting():
                async with asyncio.timeout(self.commit.timeout):
                    await asyncio.wrap_future(self.commit.submit(lines))
        except (ConnectionError, ValueError, BusyError, TimeoutError) as error:
            told = str(error) or f"no acknowledgement within {self.commit.timeout:g} s"
            raise not_stored(f"the broker did not take the event, so nothing was served: {told}; send again") from None

    def check_broker(self) -> None:
        """Refuse before a model is asked what could not be stored anyway.

        Raises:
            RefusedError: 503: the broker is away.
        """
        if self.commit.state()["broker"] == "away":
            raise not_stored("the broker is away, and no response is served that could not be stored; send again")


def make(read: settings.ReadSettings, bootstrap: str, route_file: Path | None) -> GatewayState:
    """Everything that requests share; nothing is connected yet.

    Args:
        read: The gateway's settings.
        bootstrap: `HOST:PORT` of the broker; it may come later.
        route_file: The file of routes; None for no experiment.

    Raises:
        ValueError: The secret is too short, or a key of a server is not in the environment.
    """
    folder = Path(read.told.folder)
    limits = read.told.limits
    followed = routes.RouteFile(route_file, None if read.told.others else read.backends)
    return GatewayState(
        settings=read,
        secret=signatures.secret(folder, os.environ.get(signatures.VARIABLE)),
        commit=LoopCommit(bootstrap, read.names.events),
        routes=followed,
        switch=ArmSwitch(bootstrap, read.names),
        bundles=ServedBundles(read.backends, followed, read.told.others),
        upstream=Upstream(read.backends, limits.seconds, read.told.others),
        reaction_keys=ReactionKeys(folder / "reactions.sqlite", time.time),
        metrics=GatewayMetrics(),
        key_limits=TokenBuckets(limits.requests_per_minute),
        user_limits=TokenBuckets(limits.user_requests_per_minute),
    )
