"""Whether a live warehouse holds enough to learn from and to measure on, counted before anything is trained."""

import math
from collections.abc import Iterator
from typing import Any

from assets.recipe import RewardSection
from assets.run import Run

LEAST_TESTED = 4
"""Labels of each kind that the test part must be expected to hold, or nothing can be measured on it."""
LEAST_PROMPTS = 20
"""Held-out prompts, or a comparison of policies over them says nothing."""


def problems(run: Run) -> Iterator[str]:
    """What the warehouse of a live run lacks, each with the way out."""
    from warehouse import queries
    from warehouse.storage.transaction import WarehouseError

    try:
        wanted = run.recipe.training_set
        held = queries.clean_feedback_summary(
            run.warehouse, maturity_hours=wanted.maturity_hours, positive=wanted.positive
        )
        short = [*_loves(run, held), *_thumbs(run, held)]
        yield from short or _parts(run)
    except WarehouseError as error:
        yield str(error)


def least_labels(wanted: RewardSection) -> int:
    """Loves that are needed: the test part (other users, later in time) holds a small share of them."""
    return math.ceil(LEAST_TESTED / (wanted.config.test_users * wanted.config.test_time))


def least_thumbs(wanted: RewardSection) -> int:
    """Thumbs of a kind that are needed: the test part holds a share of the conversations."""
    return math.ceil(LEAST_TESTED / wanted.config.test_users)


def unsplit(wanted: RewardSection, seed: int, labels: Any, users: Any, times: Any) -> str | None:
    """Why examples cannot be divided into parts to train, validate and test on; None where they can."""
    import numpy as np

    from training.reward.data import Examples
    from training.reward.split import divided

    config = wanted.config.model_copy(update={"seed": seed})
    try:
        divided(Examples([], [], labels, np.ones(len(labels)), users, times), config, "users")
    except ValueError as error:
        return str(error)
    return None


def unsplit_labels(wanted: RewardSection, seed: int, labels: Any, openings: list[str]) -> str | None:
    """As `unsplit`, for labels, which are divided by conversation."""
    from training.reward.split import split_labels

    shares = {"test": wanted.config.test_users, "validation": wanted.config.validation_users}
    try:
        split_labels(labels, openings, **shares, seed=seed)
    except ValueError as error:
        return str(error)
    return None


def _loves(run: Run, held: dict[str, Any]) -> Iterator[str]:
    hours, least = run.recipe.training_set.maturity_hours, least_labels(run.recipe.p_love)
    if held["loves"] < least:
        yield (
            f"the warehouse {run.warehouse} holds {held['served']:,} responses, {held['immature']:,} of them younger "
            f"than {hours:g} h, and {held['loves']:,} loves that count, where P[Love] needs {least}: ingest more "
            "feedback, or wait until responses are mature"
        )


def _rated(run: Run) -> dict[str, RewardSection]:
    """The reward models of the recipe that learn from thumbs."""
    return {str(name): wanted for name, wanted in run.recipe.labelled().items() if wanted.labels == "reactions"}


def _thumbs(run: Run, held: dict[str, Any]) -> Iterator[str]:
    thumbs = {"up (love or like)": held["loves"] + held["likes"], "down (dislike)": held["dislikes"]}
    for name, wanted in _rated(run).items():
        least = least_thumbs(wanted)
        short = [f"{count:,} {way}" for way, count in thumbs.items() if count < least]
        if short:
            yield (
                f"{name}.labels is 'reactions', and the log holds {' and '.join(short)} where {least} each are "
                f"needed: set {name} = false to leave it out, or give 'judge' or a labels file"
            )


def _parts(run: Run) -> Iterator[str]:
    """Enough in all is not enough in each part: the loves may all be one user's, or of one day."""
    import numpy as np

    from warehouse import queries

    rows = queries.feedback_marks(
        run.warehouse,
        maturity_hours=run.recipe.training_set.maturity_hours,
        positive=run.recipe.training_set.positive,
    )
    users = np.array(rows["user_id"].to_pylist(), dtype=np.str_)
    times, love = rows["served_at"].to_numpy(), rows["love"].to_numpy().astype(float)
    words = unsplit(run.recipe.p_love, run.recipe.seed, love, users, times)
    if words:
        yield f"P[Love] cannot be measured: {words}"
    up, down = (rows[name].to_numpy() for name in ("up", "dislike"))
    rated = up | down
    begun = rows["opening"].filter(rated).to_pylist()
    for name, wanted in _rated(run).items():
        words = unsplit_labels(wanted, run.recipe.seed, up[rated].astype(float), begun)
        if words:
            yield f"{name} cannot be measured on people's thumbs: {words}; or set {name} = false"
    yield from _prompts(rows, run.recipe.seed)


def _prompts(rows: Any, seed: int) -> Iterator[str]:
    """Different prompts of held-out users, as the evaluation draws them, and any to learn from."""
    from assets.stages.prompts import kept_for_evaluation

    held = kept_for_evaluation(rows["user_id"].to_pylist(), seed)
    prompts = rows["prompt"].to_pylist()
    kept, others = ({prompts[place] for place in (held.rows == side).nonzero()[0]} - {None} for side in (True, False))
    if not others or len(kept) < LEAST_PROMPTS:
        yield (
            f"{held.words}: they hold {len(kept):,} different prompts, and policies are compared on at least "
            f"{LEAST_PROMPTS}: a prompt is a whole conversation in which the user spoke last; ingest more of them"
        )
