"""Whether the models' servers serve what the experiments say: digests that they tell, held against those of the routes.

`loveloop serve` tells the digest of its folder in `/v1/models`. A server that tells none, such as vLLM, is taken at its
name. While one arm of an experiment is served by other files than those that it was started with, nobody is in it.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from streams.gateway.routes import RoutedExperiment, RouteFile, RouteTable
from streams.gateway.settings import Backend

if TYPE_CHECKING:
    from aiohttp import ClientSession

_PAUSE = 2.0
"""Seconds between two looks."""
_SECONDS = 2.0
"""For a server's answer."""
_log = logging.getLogger(__name__)


class ServedBundles:
    """Asks the servers again and again what they serve; used by the event loop alone.

    Args:
        backends: Server by policy.
        routes: What is to be served.
        others: The server of every policy that `backends` does not name.
    """

    def __init__(self, backends: Mapping[str, Backend], routes: RouteFile, others: Backend | None = None) -> None:
        self._backends = dict(backends)
        self._routes = routes
        self._others = others
        self._judged: RouteTable | None = None
        self.digests: dict[str, str] = {}
        """Digest by policy, as its server told it last."""
        self.wrong: dict[str, str] = {}
        """Why nobody is in an experiment, by its name."""

    def is_wrong(self, experiment: str) -> bool:
        """Whether an arm of an experiment is served by other files than it was started with."""
        if self._routes.table is not self._judged:  # the routes have changed since
            self._judge()
        return experiment in self.wrong

    async def follow(self) -> None:
        """Look for ever; ends when it is cancelled."""
        while True:
            await asyncio.sleep(_PAUSE)
            await self.look()

    async def look(self) -> None:
        """Ask every server once. What one said before stays while it does not answer: it serves nobody meanwhile."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            asked = self._servers()
            told = await asyncio.gather(*(_told(session, *each) for each in asked.items()))
        for policy, said in zip(asked, told, strict=True):
            if said is None:
                continue
            self.digests.pop(policy, None)
            if said:
                self.digests[policy] = said
        self._judge()

    def _servers(self) -> dict[str, Backend]:
        """Whom to ask, by policy: the named servers, and the others' for what experiments serve besides."""
        if self._others is None:
            return self._backends
        return dict.fromkeys(self._routes.policies, self._others) | self._backends

    def _judge(self) -> None:
        self._judged = self._routes.table
        found = {each.written.name: why for each in self._judged.experiments if (why := self._fault(each))}
        for name in found.keys() - self.wrong.keys():
            _log.error("nobody is in experiment %s: %s", name, found[name])
        for name in self.wrong.keys() - found.keys():
            _log.info("experiment %s is not held back any more", name)
        self.wrong = found

    def _fault(self, routed: RoutedExperiment) -> str | None:
        for arm in routed.layout.arms:
            bundle = routed.written.bundles[arm]
            told = self.digests.get(bundle.policy)
            if bundle.digest and told and told != bundle.digest:
                return (
                    f"arm {arm} was started with {bundle.policy} of digest {bundle.digest[:12]}, its server serves "
                    f"{told[:12]}: serve the folder that was staged, or roll the experiment back"
                )
        return None


async def _told(session: "ClientSession", policy: str, backend: Backend) -> str | None:
    """The digest that a server tells of a policy, empty where it tells none; None where it does not answer."""
    import aiohttp

    key = os.environ.get(backend.key_env or "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with session.get(f"{backend.url.rstrip('/')}/models", headers=headers, allow_redirects=False) as answer:
            listed = await answer.json(content_type=None) if answer.status == 200 else {}
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None
    except ValueError:  # no JSON
        listed = {}
    return _digest(listed, backend.model or policy)


def _digest(listed: Any, name: str) -> str:
    """The digest of a model in a server's list; empty where none is told.

    >>> _digest({"data": [{"id": "v8", "loveloop": {"digest": "4f2a"}}, {"id": "v7"}]}, "v8")
    '4f2a'
    """
    models = listed.get("data") if isinstance(listed, dict) else None
    for each in models if isinstance(models, list) else []:
        if isinstance(each, dict) and each.get("id") == name and isinstance(each.get("loveloop"), dict):
            digest = each["loveloop"].get("digest")
            return digest if isinstance(digest, str) else ""
    return ""
