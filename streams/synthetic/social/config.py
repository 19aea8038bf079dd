"""The dials of social influence."""

from pydantic import BaseModel, ConfigDict, Field


class SocialConfig(BaseModel):
    """How people influence each other. Every default is an assumption: nothing here was fitted to data.

    Attributes:
        influence: The one dial of strength. It multiplies what opinions do to hearts and how fast moods, brigades and
            leaving pass from friend to friend; 0 is a world without influence.
        friends: Mean number of friends on each layer.
        community_size: People in a community, about; there are at least two.
        homophily: Share of friendships that are made for the community's sake, see `multiplex.Layer`.
        correlation: How much the communities of the two layers agree, from 0 (independent) to 1 (the same).
        preference: Chance to follow the first layer's majority where the two layers' majorities differ.
        noise: Chance to vote against the majority.
        brigades: New brigades a day, per user.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    influence: float = Field(default=1.0, ge=0, le=3)
    friends: float = Field(default=12.0, gt=0, le=200)
    community_size: int = Field(default=150, ge=2)
    homophily: float = Field(default=0.8, ge=0, le=1)
    correlation: float = Field(default=0.8, ge=0, le=1)
    preference: float = Field(default=0.6, ge=0, le=1)
    noise: float = Field(default=0.12, ge=0, le=0.5)
    brigades: float = Field(default=0.0005, ge=0, le=0.1)
