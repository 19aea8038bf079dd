"""How a simulated A/B test goes: how long, with what people, friends, faults and attacks."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from streams.synthetic.config import Share
from streams.synthetic.people.population import ACTIVITY_SIGMA
from streams.synthetic.shares import AttackShares
from streams.synthetic.social.config import SocialConfig
from streams.synthetic.truth.formulas import TASTE_SIGMA

Spread = Annotated[float, Field(ge=0, le=3)]


class TrialWorld(BaseModel):
    """The world of an A/B test; every default but the days is that of the synthetic world.

    Attributes:
        days: Over which the exposures are spread, about: how often people come is set by it, and the test ends when
            all exposures are in. Newcomers join during these days.
        activity_sigma: Standard deviation of ln activity over users; with 1.5 a few come hundreds of times.
        taste_sigma: Standard deviation of ln taste over users; the mean Love rate stays what it is.
        stakes: How much satisfaction decides about coming again; see `people.loyalty`.
        late: Share of reactions that come hours to days after the response, the others within the hour.
        retractions: Share of loves taken back.
        duplicates: Share of events sent twice, byte for byte.
        early: Share of reactions that arrive before their response.
        attacks: Who plays foul, and how much; also given as a mapping from name to share of all loves.
        social: How people influence each other; None: not at all. With it, a love makes an enthusiast more often, who
            sways friends in both arms.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    days: Annotated[int, Field(ge=1, le=365)] = 14
    activity_sigma: Spread = ACTIVITY_SIGMA
    taste_sigma: Spread = TASTE_SIGMA
    stakes: Annotated[float, Field(ge=0, le=10)] = 1.0
    late: Share = 0.03
    retractions: Share = 0.03
    duplicates: Share = 0.02
    early: Share = 0.01
    attacks: AttackShares = ()
    social: SocialConfig | None = None
