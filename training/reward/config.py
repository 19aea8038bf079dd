"""The dials of a reward model. Light: recipes import it."""

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.reward.thresholds import Thresholds

Nuisance = Literal["words", "closing", "question", "emoji", "exclamation", "flattery"]
"""A feature of a response that a score should not follow; see training/reward/residual.py."""


Context = Literal["place", "closing", "pause", "reactions"]
CONTEXTS: tuple[Context, ...] = get_args(Context)
"""Where the response stands; whether the user's last message closes; the time since the response before; how many came
before and had a love or a dislike. A response cannot change them."""


class ViewsConfig(BaseModel):
    """The dials of a views head."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    head: Literal["trees", "logistic", "ridge"] = "trees"
    """Boosted trees over counts and similarities; or a linear head, which reads the vectors too."""
    context: tuple[Context, ...] = CONTEXTS
    """What the head may know that no response can change. Each is kept only where it helps on validation users."""
    bags: int = Field(3, gt=0)
    """So many boosted models, which draw their features differently, are averaged."""
    rounds: int = Field(120, gt=0)
    """Trees of each."""
    strengths: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
    """Penalties of a linear head, of which the validation rows choose."""
    max_tokens: int = Field(64, gt=0)
    """Of a message; a longer one loses its end."""
    seed: int = Field(1, ge=0, lt=2**32)


_TUNING = ("epochs", "batch", "learning_rate", "weight_decay", "max_tokens", "frozen_layers")
"""How a classifier is tuned; a views head has dials of its own."""


class RewardConfig(BaseModel):
    """The dials of a reward model; everything else is derived."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: Literal["classifier", "views"] = "classifier"
    """A sequence classifier that is tuned; or a frozen encoder with a small head, for a few hundred loves."""
    views: ViewsConfig = ViewsConfig()
    """Of the small head."""
    loss: Literal["binary", "bradley_terry"] = "binary"
    """`binary`: each row by itself. `bradley_terry`: rows that the column `pair` couples, one against the other."""
    positive_rate: float = Field(0.1, gt=0, lt=1)
    """Negatives are sub-sampled to this share of positives; a set that has more positives stays as it is."""
    unsaid: float = Field(0.0, ge=0, lt=1)
    """Share of the responses without a reaction that are thought to have been liked all the same (positive-unlabelled
    learning); 0 takes a missing reaction for what it is."""
    prompt_shift: bool = False
    """Weigh negatives so that their prompts are like those of the positives: what is learnt is the response's part."""
    heads: int = Field(1, ge=1, le=16)
    """Several learn from disjoint users, over one body."""
    caution: float = Field(0.0, ge=0, le=100)
    """A score is the heads' mean less this times their standard deviation."""
    augmented: float = Field(0.0, ge=0, le=1)
    """Share of the drawn rows that are learnt once more with a needless goodbye, flattery or an emoji behind the
    response, under the same label."""
    broken: float = Field(0.0, ge=0, le=1)
    """Share of the drawn rows that are learnt once more with the response's wording destroyed, as not loved: no log
    holds broken text, which a policy that came apart writes."""
    residual: tuple[Nuisance, ...] = ()
    """What a score may not pay for: what these features of a response foretell of it is taken away."""
    epochs: int = Field(2, gt=0)
    """Passes over the positives, each with fresh negatives."""
    batch: int = Field(64, gt=0)
    learning_rate: float | None = Field(None, gt=0)
    """None: 0.128 / width of the model (1e-3 at 128, 3.3e-4 at 384, 3.1e-5 at 4096)."""
    weight_decay: float = Field(0.01, ge=0)
    max_tokens: int = Field(128, gt=0)
    """Longest input; what is longer loses its beginning."""
    frozen_layers: int = Field(0, ge=0)
    """So many lower layers, and the embeddings below them, keep their weights; their output is computed once."""
    test_users: float = Field(0.2, gt=0, lt=1)
    """Share of users that only the test sees; of conversations, where labels are learnt from."""
    test_time: float = Field(0.2, gt=0, lt=1)
    """Share of the latest examples that only the test sees; labels are not split by time."""
    validation_users: float = Field(0.1, gt=0, lt=1)
    """Share of users for early stopping and calibration; of conversations, where labels are learnt from."""
    validation_time: float = Field(0.0, ge=0, lt=1)
    """Share of the latest rows before the test that nothing is learnt from, and validation is of these alone; 0
    validates on the same days that are learnt from. Labels are not split by time."""
    evaluation_rows: int = Field(5_000, gt=0)
    """At most so many rows are scored for calibration and for the test. All positives are among them; a drawn negative
    weighs as many as it stands for."""
    audit: Thresholds = Thresholds()
    """Where the audit of the model says "failed"; see docs/rewards.md."""
    seed: int = Field(1, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _users_are_left_to_learn_from(self) -> "RewardConfig":
        if self.test_users + self.validation_users >= 1:
            raise ValueError(
                f"test_users == {self.test_users:g} and validation_users == {self.validation_users:g} of all users "
                "leave none to learn from: together they must be below 1; lower one"
            )
        return self

    @model_validator(mode="after")
    def _parts_that_go_together(self) -> "RewardConfig":
        pairs = self.loss == "bradley_terry"
        alone = {name: getattr(self, name) for name in ("unsaid", "prompt_shift", "augmented", "broken")}
        wrong = [f"{name} == {value}" for name, value in alone.items() if pairs and value]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} is for rows, and loss == 'bradley_terry' learns pairs: leave one out")
        tuned = (*alone, "loss", "heads", "caution", "residual", *_TUNING)
        fields = type(self).model_fields
        given = [f"{name} == {value!r}" for name in tuned if (value := getattr(self, name)) != fields[name].default]
        if self.model == "views" and given:
            raise ValueError(f"{', '.join(given)} is for a classifier, and model == 'views': leave one out")
        if self.caution and self.heads < 2:
            raise ValueError(f"caution == {self.caution:g} needs heads that can disagree: set heads to 2 or more")
        return self
