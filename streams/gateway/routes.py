"""Which policy answers a user: the running experiments, as a file names them, and the arm that each user is in."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from streams.assignment import HOLDOUT, OUT, Layout

_PAUSE = 0.5
"""Seconds between two looks at the file."""
_log = logging.getLogger(__name__)

IsOff = Callable[[str, str], bool]
"""Whether an arm of an experiment must not be served."""
Text = Annotated[str, Meta(min_length=1, max_length=256)]


class ServedBundle(msgspec.Struct, frozen=True):
    """What an arm is served.

    Attributes:
        policy: Its name in events, and in [backends].
        folder: Where its files lie; None where they lie with another server.
        digest: Of its files.
    """

    policy: Text
    folder: str | None = None
    digest: str | None = None


class WrittenRoute(msgspec.Struct, frozen=True):
    """One experiment, as the file of routes has it; other keys are left alone.

    Attributes:
        name: Of the experiment.
        salt: As in `Layout`.
        arms: Share by arm.
        control: The arm whose policy stands in for an arm that is off.
        bundles: What each arm is served.
        revision: Of its plan.
        coverage: As in `Layout`, and so are the next four.
    """

    name: Text
    salt: Text
    arms: dict[str, float]
    control: str
    bundles: dict[str, ServedBundle]
    revision: int | str | None = None
    coverage: float = 1.0
    namespace: str | None = None
    start: float = 0.0
    end: float = 1.0
    holdout: float = 0.0


class WrittenRoutes(msgspec.Struct, frozen=True):
    """The file of routes.

    Attributes:
        experiments: Those that run.
        made_at: When it was written.
    """

    experiments: list[WrittenRoute]
    made_at: str | None = None


class Route(NamedTuple):
    """Who answers one request.

    Attributes:
        policy: The policy.
        experiment: The experiment that the response belongs to, or None.
        arm: Its arm, or None.
    """

    policy: str
    experiment: str | None = None
    arm: str | None = None


class RoutedExperiment(NamedTuple):
    """An experiment that runs.

    Attributes:
        written: Its line of the file.
        layout: Who is in it.
    """

    written: WrittenRoute
    layout: Layout


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All experiments that run.

    Attributes:
        experiments: By name, in the order of the names.
        made_at: When the file was written, in its own words.
    """

    experiments: tuple[RoutedExperiment, ...] = ()
    made_at: str | None = None

    def route(self, user: str, default: str, is_off: IsOff) -> Route:
        """Choose the policy for a user: that of the first experiment, by name, in which the user has an arm.

        A user whose arm is off gets the control's policy, and the response belongs to no experiment.

        >>> RouteTable().route("ada", "v7", lambda experiment, arm: False)
        Route(policy='v7', experiment=None, arm=None)

        Args:
            user: The pseudonym in the events.
            default: The policy of users without an arm.
            is_off: As the kill switch says.
        """
        for written, layout in self.experiments:
            place = layout.place(user)
            if place in (HOLDOUT, OUT):
                continue
            if is_off(written.name, place):
                return Route(written.bundles[written.control].policy)
            return Route(written.bundles[place].policy, written.name, place)
        return Route(default)


def parse(text: bytes, policies: Mapping[str, object] | None) -> RouteTable:
    """Read the text of a file of routes.

    Args:
        text: JSON.
        policies: Those that a server answers for; None where one answers for all.

    Raises:
        ValueError: It cannot be followed; the text says which experiment and why.
    """
    try:
        file = msgspec.json.decode(text, type=WrittenRoutes)
    except msgspec.DecodeError as error:
        raise ValueError(f"no file of routes: {error}") from None
    names = [each.name for each in file.experiments]
    if len(set(names)) < len(names):
        raise ValueError("an experiment stands there twice; each runs once")
    found = [RoutedExperiment(each, _layout(each, policies)) for each in sorted(file.experiments, key=lambda e: e.name)]
    return RouteTable(tuple(found), file.made_at)


def _layout(written: WrittenRoute, policies: Mapping[str, object] | None) -> Layout:
    try:
        layout = Layout(
            experiment=written.name, salt=written.salt, arms=written.arms, coverage=written.coverage,
            namespace=written.namespace, start=written.start, end=written.end, holdout=written.holdout,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"experiment {written.name!r}: {error}") from None
    if written.control not in layout.arms:
        raise ValueError(f"experiment {written.name!r}: control == {written.control!r}, must be one of its arms")
    for arm in layout.arms:
        bundle = written.bundles.get(arm)
        if bundle is None:
            raise ValueError(
                f"experiment {written.name!r}: arm {arm!r} has no bundle, so nobody could answer its users"
            )
        if policies is not None and bundle.policy not in policies:
            raise ValueError(
                f"experiment {written.name!r}: no server answers for policy {bundle.policy!r} of arm {arm!r}; "
                "add it to [backends] of the gateway's file and start the gateway again"
            )
    return layout


class RouteFile:
    """Follows a file of routes: what it says takes effect within a second, and a broken one changes nothing.

    Args:
        file: The file; None for no experiment at all.
        policies: Those that a server answers for; None where one answers for all.
    """

    def __init__(self, file: Path | None, policies: Mapping[str, object] | None) -> None:
        self._file, self._policies = file, policies
        self._seen: tuple[int, int, int] | None = None
        self.table = RouteTable()
        self.error: str | None = None
        self.look()

    @property
    def policies(self) -> tuple[str, ...]:
        """Those that the arms of running experiments are served, in the order of the experiments."""
        arms = ((each.written, arm) for each in self.table.experiments for arm in each.layout.arms)
        return tuple(dict.fromkeys(written.bundles[arm].policy for written, arm in arms))

    def look(self) -> None:
        """Read the file when it has changed since the last look."""
        if self._file is None:
            return
        try:
            stat = self._file.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen == self._seen:
                return
            table = parse(self._file.read_bytes(), self._policies)
        except (OSError, ValueError, RecursionError) as error:
            self._seen = None  # look again: it may be under way
            self._tell(f"{self._file}: {error.strerror if isinstance(error, OSError) else error}")
            return
        self._seen, self.table = seen, table
        names = ", ".join(each.written.name for each in table.experiments) or "none"
        _log.info("routes of %s are followed; experiments: %s", self._file, names)
        self.error = None

    async def follow(self) -> None:
        """Look for ever; ends when it is cancelled."""
        while True:
            await asyncio.sleep(_PAUSE)
            self.look()

    def _tell(self, error: str) -> None:
        if error != self.error:
            _log.error("the last good routes stay: %s", error)
        self.error = error
