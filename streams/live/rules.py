"""The guard's dials, all in one place. What trips is decided in `switch`, what flags in `partition` and `shared`."""

import math

import msgspec


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The guard's dials.

    Attributes:
        user_line: Reaction changes by one user within 60 s that raise a flag.
        device_line: Reaction changes through one device within one minute of the clock that raise a flag.
        network_line: The same for a network; a household, an office or a campus is one network.
        window_seconds: Length of the windows of an arm's counts.
        memory_seconds: A love counts when it arrives at most so long after its response (at most twice as long is
            remembered). A restarted guard reads up to twice this span of the log again.
        publish_seconds: Counts that changed are published so often.
        control: Name of the arm that the others are compared with.
        closing_limit: An arm trips when its closing rate is credibly above this share of its responses,
        closing_factor: or above this many times the control arm's rate, as much as the gates of training and the
            guardrail of an A/B test allow,
        love_floor: or when its Love rate is credibly below this share of the control arm's.
        settle_seconds: A window's loves are looked at so long after its end (event time).
        alpha: Chance that an arm which does no harm is ever tripped, all its tests together.
        design_effect: How much the responses of one user repeat each other (see `evidence`).
    """

    user_line: int = 30
    device_line: int = 60
    network_line: int = 600
    window_seconds: int = 300
    memory_seconds: float = 1800.0
    publish_seconds: float = 5.0
    control: str = "control"
    closing_limit: float = 0.1
    closing_factor: float = 1.25
    love_floor: float = 0.8
    settle_seconds: int = 900
    alpha: float = 0.001
    design_effect: float = 2.0

    def __post_init__(self) -> None:
        """Refuse dials that mean nothing.

        >>> Rules(user_line=1)
        Traceback (most recent call last):
            ...
        ValueError: user_line == 1, must be at least 2: one reaction is no rate
        """
        for name in ("user_line", "device_line", "network_line"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} == {getattr(self, name)}, must be at least 2: one reaction is no rate")
        for name in ("closing_limit", "alpha"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} == {getattr(self, name)}, must be in (0, 1)")
        if not 0 < self.love_floor <= 1:
            raise ValueError(f"love_floor == {self.love_floor}, must be in (0, 1]: a share of the control arm's rate")
        for name in ("closing_factor", "design_effect", "window_seconds"):
            if not 1 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} == {getattr(self, name)}, must be at least 1, and finite")
        for name in ("memory_seconds", "publish_seconds"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} == {getattr(self, name)}, must be a finite number above 0")
        if self.settle_seconds < 0:
            raise ValueError(f"settle_seconds == {self.settle_seconds}, must be 0 or more")

    def line(self, subject: str) -> int:
        """Reaction changes within a minute that flag a subject."""
        return {"user": self.user_line, "device": self.device_line, "network": self.network_line}[subject]
