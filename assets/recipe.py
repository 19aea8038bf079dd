"""A recipe: what a run does and how much of it, read from TOML. One dial per stage; the rest is derived."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from training.cgpo.config import CgpoConfig
from training.reward.train import RewardConfig

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A part of a recipe; a misspelt key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class World(Section):
    """How much of the synthetic world is simulated."""

    responses: Count = 200_000
    """Responses served to people."""
    users: Count = 12_000
    days: Count = 14
    base_love_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.005
    """Loves per response of the incumbent."""
    attacks: dict[str, Annotated[float, Field(gt=0, lt=1)]] = {}
    """Each attack's loves as a share of all loves, by its name; see docs/attacks.md."""
    social: dict[str, float] | None = None
    """People influence each other, with these dials (an empty table takes the defaults); see docs/influence.md."""


class Broker(Section):
    """The broker that the run starts for itself; KAFKA_BOOTSTRAP overrides it."""

    kind: Literal["tansu", "kafka"] = "tansu"
    partitions: Count = 4


class Adversary(Section):
    """The filter against those who game the feedback."""

    honest_loss: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """Share of honest loves that it may cost, in expectation."""


class TrainingSet(Section):
    """Which feedback is frozen."""

    maturity_hours: Weight = 24.0
    """Younger responses are unlabelled, not negative."""
    credit: Literal["last_turn", "conversation", "decay"] = "last_turn"
    """Which responses of a conversation a love speaks for: the loved one, also all earlier ones in full, or those with
    less the earlier they were."""
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """For `decay`: what is left of the credit one turn earlier."""


class Incumbent(Section):
    """The policy that wrote the log: a small Llama fitted to it, or any local or hub model by name."""

    base: str | None = None
    """A model directory or hub name; None trains a small one from scratch."""
    examples: Count = 60_000
    """Logged conversations that the small one is fitted to."""
    width: Count = 128
    layers: Count = 3
    epochs: Count = 1


class Reward(Section):
    """One reward model."""

    base: str = "incumbent"
    """`incumbent` (its body), `minilm` (where its package is installed), a directory or a hub name."""
    labels: str | None = None
    """Where helpfulness and safety labels come from: `world` (simulated annotators), `reactions` (up against down),
    `diasafety`, or a Parquet file. P[Love] reads the training set."""
    count: Count = 40_000
    """Labels asked of the simulated annotators."""
    config: RewardConfig = RewardConfig()
    """How it is trained; see training/reward/train.py."""
    folds: int = 0
    """More than 1: also cross-validate over users and report the out-of-fold figures."""


class Policy(Section):
    """The sweep of policies, one per Love weight."""

    love_weights: Annotated[tuple[Weight, ...], Field(min_length=1)] = (0.0, 0.1, 0.3)
    helpfulness: Weight = 0.7
    safety: Weight = 0.3
    config: CgpoConfig = CgpoConfig()
    """How it is optimised; see training/cgpo/config.py."""
    supervised_rows: Count = 8_000
    """Logged conversations from which the supervised share is drawn."""
    judges: bool = True


class Evaluation(Section):
    """The fixed prompts that every policy answers."""

    prompts: Count = 1_500


class Experiment(Section):
    """The A/B test of the staged candidate: simulated on the synthetic world, else read from the log."""

    exposures: Count = 80_000
    """Of the simulated test, as are `users`, `pool` and `force`."""
    users: Count = 20_000
    pool: Count = 2_000
    """Prompts that each arm answers; exposures draw from them."""
    force: bool = False
    """Run it although no candidate passed every gate; the report says so."""
    name: str | None = None
    """As events name the experiment. None: `ab-CANDIDATE` on the world; elsewhere the one that was served last among
    those whose treatment is a staged candidate."""
    control: str = "control"
    """The arm to compare with, of an experiment in the log; as are `treatment` to `maturity_hours`."""
    treatment: str | None = None
    """The other arm; needed only where there are several."""
    shares: dict[str, Share] | None = None
    """Of the users, by arm, as they were assigned; None: equal."""
    planned: Count | None = None
    """Exposures planned for each arm; None: enough to show +20 % at the control's Love rate."""
    maturity_hours: Weight = 24.0
    """Younger responses are not counted yet."""


class Recipe(Section):
    """A whole run."""

    source: Literal["world", "convai", "warehouse"]
    """`world` simulates its events, `convai` reads rated dialogues, `warehouse` reads the live warehouse as it is."""
    seed: int = 1
    warehouse: str | None = None
    """The live warehouse, for source `warehouse`: a DuckDB file or `ducklake:postgres:KEYWORDS;data=FOLDER`. Leave its
    password to PGPASSWORD: a run keeps its recipe."""
    world: World = World()
    broker: Broker = Broker()
    adversary: Adversary = Adversary()
    training_set: TrainingSet = TrainingSet()
    incumbent: Incumbent = Incumbent()
    p_love: Reward = Reward()
    helpfulness: Reward = Reward(labels="world")
    safety: Reward | Literal[False] = Reward(labels="world", count=12_000)
    """`false` leaves safety out: for data without safety labels."""
    policy: Policy = Policy()
    evaluation: Evaluation = Evaluation()
    experiment: Experiment | None = None
