"""A recipe: what a run does and how much of it, read from TOML. One dial per stage; the rest is derived."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from assets.recipe_rules import broken_rules
from training.cgpo.config import CgpoConfig
from training.engine.config import EngineConfig
from training.labels.config import JudgeConfig
from training.reward.config import RewardConfig
from training.rollout.config import RolloutsConfig
from training.sentinel.config import SentinelConfig

Count = Annotated[int, Field(gt=0, le=2**31 - 1)]
Weight = Annotated[float, Field(ge=0)]
Hours = Annotated[float, Field(ge=0, le=87_600)]
"""A wait for late loves, as `warehouse.maturity` has it."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]

JUDGES = ("closing", "unsafe", "flattery", "repetition", "refusal", "dictation")
"""The judges of `policy.judges = true`: those that need no settings and whose rule holds for any product."""


class Section(BaseModel):
    """A part of a recipe; a misspelt key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class WorldSection(Section):
    """How much of the synthetic world is simulated."""

    responses: Count = 200_000
    """Responses served to people."""
    users: Count = 12_000
    days: Annotated[int, Field(gt=0, le=3_650)] = 14
    base_love_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.005
    """Loves per response of the incumbent."""
    attacks: dict[str, Annotated[float, Field(gt=0, lt=1)]] = {}
    """Each attack's loves as a share of all loves, by its name; see docs/attacks.md."""
    social: dict[str, float] | None = None
    """People influence each other, with these dials (an empty table takes the defaults); see docs/influence.md."""


class BrokerSection(Section):
    """The broker that the run starts for itself; KAFKA_BOOTSTRAP overrides it."""

    kind: Literal["tansu", "kafka"] = "tansu"
    partitions: Count = 4


class AdversarySection(Section):
    """The filter against those who game the feedback."""

    honest_loss: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """Share of honest loves that it may cost, in expectation."""


class TrainingSet(Section):
    """Which feedback is frozen."""

    maturity_hours: Hours = 24.0
    """Younger responses are unlabelled, not negative."""
    credit: Literal["last_turn", "conversation", "decay"] = "last_turn"
    """Which responses of a conversation a love speaks for: the loved one, also all earlier ones in full, or those with
    less the earlier they were."""
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """For `decay`: what is left of the credit one turn earlier."""
    positive: Literal["love", "like"] = "love"
    """What P[Love] learns to predict: a love, or for products with thumbs alone a love or a like."""
    young: bool = False
    """Keep responses that are not mature yet, for training alone: how likely their love has come by now is taken into
    account. See docs/rewards.md."""


class Incumbent(Section):
    """The policy that wrote the log: a small Llama fitted to it, or any local or hub model by name."""

    base: str | None = None
    """A model directory or hub name; None trains a small one from scratch."""
    examples: Count = 60_000
    """Logged conversations that the small one is fitted to."""
    width: Annotated[int, Field(ge=32, multiple_of=32)] = 128
    layers: Count = 3
    epochs: Count = 1


class RewardSection(Section):
    """One reward model."""

    base: str = "incumbent"
    """`incumbent` (its body), `minilm` (where its package is installed), a directory or a hub name."""
    labels: str | None = None
    """Where helpfulness and safety labels come from: `world` (simulated annotators, on a simulated world alone),
    `reactions` (people's thumbs in the log: up against down), `judge` (an LLM that `[helpfulness.judge]` names), or a
    labels file (Parquet, CSV or NDJSON); see docs/reward-labels.md. P[Love] reads the training set."""
    judge: JudgeConfig | None = None
    """For labels `judge`: which server and model, and how many answers it is asked about."""
    count: Count = 40_000
    """Labels asked of the simulated annotators."""
    config: RewardConfig = RewardConfig()
    """How it is trained; see training/reward/train.py."""
    folds: Annotated[int, Field(ge=0)] = 0
    """More than 1: also cross-validate over users and report the out-of-fold figures."""


class PolicySection(Section):
    """The sweep of policies, one per Love weight."""

    love_weights: Annotated[tuple[Weight, ...], Field(min_length=1)] = (0.0, 0.1, 0.3)
    helpfulness: Weight = 0.7
    safety: Weight = 0.3
    retention: Weight = 0.0
    """Above 0 a retention model is trained from the warehouse and ranks beside P[Love]; see docs/retention.md."""
    config: CgpoConfig = CgpoConfig()
    """How it is optimised; see training/cgpo/config.py."""
    rollouts: RolloutsConfig = RolloutsConfig()
    """Who writes the samples, this process or a vLLM server; see training/rollout/config.py and docs/rollouts.md."""
    supervised_rows: Count = 8_000
    """Logged conversations from which the supervised share is drawn."""
    judges: bool | tuple[str, ...] = True
    """What no winner may break, by name: `["closing", "unsafe"]`; `true` for those of `JUDGES`, `false` for none. One
    of your own is `"package.module:function"`; see docs/judges.md."""
    judge: dict[str, dict[str, Any]] = {}
    """Settings of a judge, by its name; `use` names the judge, `accepted = true` takes it in without the list."""
    most_trips: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of a task's samples in a round above which a judge that trips on them stops the run; 1 never does."""
    unproven: Literal["leave_out", "stop"] = "leave_out"
    """What happens with a helpfulness or safety model that is no better than chance, or that its audit blocks: it is
    left out, which transcript, report and card say, or the run stops. At such a P[Love] it always stops."""

    def judge_names(self) -> tuple[str, ...]:
        """The judges by name, accepted proposals last; empty where the recipe wants none."""
        listed = (JUDGES if self.judges else ()) if isinstance(self.judges, bool) else self.judges
        accepted = (name for name, each in self.judge.items() if each.get("accepted") is True and name not in listed)
        return (*listed, *accepted)

    @field_validator("love_weights")
    @classmethod
    def _each_weight_once(cls, weights: tuple[float, ...]) -> tuple[float, ...]:
        return each_once(weights)


class Triggers(Section):
    """When Dagster acts by itself; see docs/dagster.md."""

    new_loves: Count = 500
    """Loves that must count since the newest training set before the next cycle begins."""
    dead_letter_share: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Share of lines that break the contract above which a check warns."""


class EvaluationSection(Section):
    """The fixed prompts of held-out users that every policy answers; the simulated A/B test serves the same."""

    prompts: Count = 1_500
    """Of them, so many are read by the reward models: predicted Love, helpfulness, safety."""
    judged: Count = 6_000
    """So many are answered in all; judges, which need no model, read every answer, since closings are rare."""


class ExperimentSection(Section):
    """The A/B test of the staged candidate: simulated on the synthetic world, else read from the log."""

    exposures: Count = 80_000
    """Of the simulated test, as are all settings down to `force`."""
    users: Count = 20_000
    prompts: Count = 8_000
    """Of the evaluation's prompts, so many are served."""
    samples: Annotated[int, Field(ge=1, le=16)] = 2
    """Of conversations that each arm holds from a prompt on; a user has one of them."""
    follow_ups: Annotated[int, Field(ge=0, le=5)] = 1
    """Most messages of a user after the prompt."""
    days: Annotated[int, Field(ge=1, le=365)] = 14
    """Over which the exposures are spread, about; the test ends when all are in."""
    activity_sigma: Annotated[float, Field(ge=0, le=3)] = 1.5
    taste_sigma: Annotated[float, Field(ge=0, le=3)] = 1.5
    """Standard deviations over users: of the ln of how often they come, and of the ln of their odds to love."""
    late: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of reactions that come an hour to two and a half days after the response."""
    attacks: dict[str, Annotated[float, Field(gt=0, lt=1)]] = {}
    social: dict[str, float] | None = None
    """Attacks on the test, and influence of its users on each other; as in `[world]`."""
    force: bool = False
    """Run it although no candidate passed every gate; wherever its decision is told, that is told beside it."""
    name: str | None = None
    """As events name the experiment. None: `ab-CANDIDATE-PROMPTS` on the world; elsewhere the one that was served last
    among those whose treatment is a staged candidate."""
    control: str = "control"
    """The arm to compare with, of an experiment in the log; as are `treatment` to `maturity_hours`."""
    treatment: str | None = None
    """The other arm; needed only where there are several."""
    shares: dict[str, Annotated[float, Field(gt=0, lt=1)]] | None = None
    """Of the users, by arm, as they were assigned; None: equal."""
    planned: Count | None = None
    """Exposures planned for each arm; None: enough to show +20 % at the control's Love rate."""
    maturity_hours: Hours = 24.0
    """Younger responses are not counted yet."""


Labelled = Literal["helpfulness", "safety"]
"""Reward models that learn from labels; a recipe may leave either out."""
REWARDS = (*get_args(Labelled), "p_love")
"""Stages that train a reward model."""


_GONE = {"experiment": ("pool",)}
"""Settings of earlier versions, by section; a run's own record may still name them."""


class Recipe(Section):
    """A whole run."""

    source: Literal["world", "convai", "warehouse"]
    """`world` simulates its events, `convai` reads rated dialogues, `warehouse` reads the live warehouse as it is."""
    seed: Seed = 1
    warehouse: str | None = None
    """The live warehouse, for source `warehouse`: a DuckDB file or `ducklake:postgres:KEYWORDS;data=FOLDER`. The
    environment's LOVELOOP_WAREHOUSE and --warehouse go before it. Leave its password to PGPASSWORD: a run keeps its
    recipe."""
    world: WorldSection = WorldSection()
    broker: BrokerSection = BrokerSection()
    adversary: AdversarySection = AdversarySection()
    training_set: TrainingSet = TrainingSet()
    incumbent: Incumbent = Incumbent()
    p_love: RewardSection = RewardSection()
    helpfulness: RewardSection | Literal[False] = False
    """By default the simulated annotators of a simulated world; elsewhere people's thumbs. `false` leaves it out."""
    safety: RewardSection | Literal[False] = False
    """By default the simulated annotators of a simulated world; elsewhere left out (`false`)."""
    policy: PolicySection = PolicySection()
    evaluation: EvaluationSection = EvaluationSection()
    sentinel: SentinelConfig = SentinelConfig()
    """When changed behaviour warns, blocks and stops; see docs/sentinel.md."""
    experiment: ExperimentSection | None = None
    triggers: Triggers = Triggers()
    engine: EngineConfig = EngineConfig()
    """What reward models, policies and `loveloop train --recipe` train through: ranks, precision, LoRA; a policy's own
    tuning may stand in `policy.config`. See docs/engine.md."""

    @model_validator(mode="before")
    @classmethod
    def _labels_of_the_source(cls, given: Any) -> Any:
        """Fill in where labels come from by default: from the world only where the source is the world."""
        if not isinstance(given, dict):
            return given
        simulated = given.get("source") == "world"
        defaults: dict[str, Any] = {
            "helpfulness": {"labels": "world"} if simulated else {"labels": "reactions"},
            "safety": {"labels": "world", "count": 12_000} if simulated else False,
        }
        filled = {name: _filled(given.get(name), default) for name, default in defaults.items()}
        return {**given, **filled}

    @model_validator(mode="after")
    def _its_parts_go_together(self) -> "Recipe":
        for words in broken_rules(self):
            raise ValueError(words)
        return self

    @classmethod
    def kept(cls, content: dict[str, Any]) -> "Recipe":
        """A recipe that a run keeps, which may be of an earlier version: settings that are gone are left out.

        So is the adapter's rank of a policy that was tuned in full: once it was written down there, too.
        """
        left = dict(content)
        for name, gone in _GONE.items():
            if isinstance(left.get(name), dict):
                left[name] = {key: value for key, value in left[name].items() if key not in gone}
        config = dict((left.get("policy") or {}).get("config") or {})
        if config.get("tuning") == "full" and config.pop("lora_rank", None):
            left["policy"] = left["policy"] | {"config": config}
        return cls.model_validate(left)

    def labelled(self) -> dict[Labelled, RewardSection]:
        """The reward models of the recipe that learn from labels, by name."""
        found: dict[Labelled, RewardSection | Literal[False]] = {"helpfulness": self.helpfulness, "safety": self.safety}
        return {name: wanted for name, wanted in found.items() if wanted is not False}


def each_once(weights: tuple[float, ...]) -> tuple[float, ...]:
    """The Love weights as they are.

    Raises:
        ValueError: Two of them would name one policy.
    """
    named = [f"{each:g}" for each in weights]
    twice = sorted({each for each in named if named.count(each) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} stands there more than once; each weight is one policy")
    return weights


def _filled(given: Any, default: Any) -> Any:
    """What a recipe says of a reward model, with the default where it says nothing of its labels."""
    if given is None:
        return default
    if isinstance(given, dict) and isinstance(default, dict):
        return {**default, **given}
    return given
