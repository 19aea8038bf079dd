"""Which attacks a world suffers, and how much of each: the config's part, without the attacks themselves."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Name = Literal[
    "burst_bots",
    "slow_drip",
    "lockstep_farm",
    "camouflaged_farm",
    "hijacked_accounts",
    "targeted_arm",
    "dictated_poison",
    "unsafe_trolls",
    "replay_flood",
    "paid_crowd",
    "taste_clique",
]
NAMES: Final[tuple[Name, ...]] = get_args(Name)
"""Attacks; `docs/attacks.md` says what each does."""
UNSEEN: Final[tuple[Name, ...]] = ("paid_crowd", "taste_clique")
"""Those that were written after the filter was finished, without a look at it; it was never tuned to them."""
GREATEST: Final = 0.9
"""Share of all loves that one attack may have."""
GREATEST_SUM: Final = 0.95
"""Shares of all attacks must sum to less: the rest are honest loves."""


class AttackShare(BaseModel):
    """One attack of a world.

    Attributes:
        name: Which.
        share: Its loves over all loves of the stream, honest and of all attacks, in expectation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Name
    share: Annotated[float, Field(gt=0, le=GREATEST)]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `NAME:SHARE`, as on the command line.

        >>> AttackShare.parse("slow_drip:0.05")
        AttackShare(name='slow_drip', share=0.05)

        Raises:
            ValueError: No such attack, or a share that is no number in (0, 0.9].
        """
        name, _, share = text.partition(":")
        if name not in NAMES:
            raise ValueError(f"attack {name!r} is not known; attacks are {', '.join(NAMES)}, written as NAME:SHARE")
        try:
            number = float(share)
        except ValueError:
            number = -1.0
        if not 0 < number <= GREATEST:
            rule = f"must be a share of all loves in (0, {GREATEST}], as in {name}:0.05"
            raise ValueError(f"the share of {name} == {share!r}, {rule}")
        return cls(name=name, share=number)


def check_shares(shares: Iterable[AttackShare]) -> tuple[AttackShare, ...]:
    """Attacks that one world can suffer together.

    Raises:
        ValueError: An attack is named twice, or they leave less than a twentieth of the loves to honest users.
    """
    attacks = tuple(shares)
    names = [attack.name for attack in attacks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} is named twice; an attack has one share")
    total = sum(attack.share for attack in attacks)
    if total >= GREATEST_SUM:
        raise ValueError(f"attacks take {total:.2f} of all loves, must be under {GREATEST_SUM}: lower the shares")
    return attacks


def _listed(attacks: Any) -> Any:
    if isinstance(attacks, Mapping):
        return tuple({"name": name, "share": share} for name, share in attacks.items())
    return attacks


AttackShares = Annotated[tuple[AttackShare, ...], BeforeValidator(_listed), AfterValidator(check_shares)]
"""A setting's attacks: a list of them, or a table of shares by name."""


def budget(share: float, total: float, base_love_rate: float, responses: int) -> int:
    """Loves of one attack: `round(share / (1 - total) base_love_rate responses)`, at least 1.

    Args:
        share: Its share of all loves.
        total: Sum of the shares of all attacks of the world.
        base_love_rate: Honest loves per response served to people, in expectation.
        responses: Served to people.

    >>> budget(0.05, 0.05, 0.005, 200_000)
    53
    """
    return max(1, round(share / (1 - total) * base_love_rate * responses))
