"""ConvAI: a thumb up against the rest, on users that the model did not see; five folds of users, several deals."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from real_rewards_parts import figures, sets, stored
from stats.correlation import pearson
from stats.estimate import Floats
from stats.metrics import auroc_within, sigmoid
from training.reward.config import ViewsConfig
from training.reward.split import user_folds
from training.reward.surface import PLACE
from training.reward.views import COLUMNS, CONTEXT_COLUMNS, views
from training.reward.views_reward import fit_heads

FOLDS, TOKENS = 5, 64
FIRST = {"bce": 0.643, "place": 0.681}
"""AUROC on record."""


def measured(data: Path, seeds: int, *, quick: bool) -> dict[str, Any]:
    """AUROC of the views head and of the place, with paired intervals over users.

    What else is compared is fitted on the first deal of users into folds alone: `with_earlier` knows how the user has
    rated earlier messages of the dialogue, and so does the simple `place_and_earlier` beside it.
    """
    talks = sets.convai(data)
    if quick:
        talks = _part(talks, 200)
    deals = range(1, (1 if quick else seeds) + 1)
    folds = [user_folds(talks.users, FOLDS, seed) for seed in deals]
    place = np.array([len(each) for each in talks.conversations], dtype=np.float64)
    texts = [turn["content"] for each in talks.conversations for turn in each] + talks.responses
    encoder = stored.vectors("convai", texts, max_tokens=TOKENS)
    trees = views(encoder, talks.conversations, talks.responses, ViewsConfig(context=("place",)))
    wide = views(encoder, talks.conversations, talks.responses, ViewsConfig(context=("place",), head="logistic"))
    placeless = trees.copy()
    placeless[:, : len(PLACE)] = np.nan
    told = trees.copy()
    bots_said = [sum(turn["role"] == "assistant" for turn in each) for each in talks.conversations]
    told[:, CONTEXT_COLUMNS["reactions"]] = np.column_stack([bots_said, talks.earlier])
    simple = np.column_stack([place, talks.earlier])
    linear = ViewsConfig(context=("place",), head="logistic", strengths=(300.0,))
    ways: dict[str, Any] = {
        "ours": lambda owner, config: _crossed(trees, talks.loves, owner, config),
        "without_place": lambda owner, config: _crossed(placeless, talks.loves, owner, config),
        "with_earlier": lambda owner, config: _crossed(told, talks.loves, owner, config),
        "place_and_earlier": lambda owner, config: _crossed(
            simple, talks.loves, owner, linear.model_copy(update={"seed": config.seed})
        ),
        "encoder": lambda owner, config: _crossed(
            wide[:, len(COLUMNS) :], talks.loves, owner, linear.model_copy(update={"seed": config.seed})
        ),
    }
    scores: dict[str, list[Floats]] = {"place": [-place] * len(folds)}
    for name, way in ways.items():
        scores[name] = []
        for seed, owner in zip(deals if name == "ours" else deals[:1], folds, strict=False):
            key = [
                stored.code("sets", "views", "views_reward", "trees", "surface", "messages"),
                name,
                str(seed),
                *talks.responses,
            ]
            make = partial(way, owner, ViewsConfig(context=("place",), seed=seed))
            scores[name].append(stored.array("convai-scores", key, make).astype(np.float64))
        print(f"convai: {name}", flush=True)
    return _figures(talks, scores, folds, place)


def _figures(talks: sets.Talks, scores: dict[str, list[Floats]], folds: list[Any], place: Floats) -> dict[str, Any]:
    one = np.ones(len(place))
    where = np.minimum(place, 24).astype(np.int64)

    def measure(several: list[Floats], cells: Any = None, labels: Floats = talks.loves) -> figures.Measure:
        def figure(rows: Any) -> float:
            found = []
            for score, owner in zip(several, folds, strict=False):
                part = owner if cells is None else owner * 100 + cells
                found.append(auroc_within(labels[rows], score[rows], one[rows], part[rows]))
            return float(np.mean(found))

        return figure

    plain = {name: measure(several) for name, several in scores.items()}
    plain |= {f"{name}_deal_1": measure(scores[name][:1]) for name in ("ours", "place")}
    less = [
        ("ours", "place"),
        ("ours_deal_1", "encoder"),
        ("without_place", "place_deal_1"),
        ("with_earlier", "place_deal_1"),
        ("with_earlier", "place_and_earlier"),
    ]
    found = {"auroc": figures.told(figures.estimates(plain, talks.users, less=less))}
    within = {name: measure(several, where) for name, several in scores.items() if name != "place"}
    found["within_place"] = figures.told(figures.estimates(within, talks.users, draws=100))
    rated = np.flatnonzero(talks.rated > 0)
    for name, cells in (("up_against_down", None), ("up_against_down_within_place", where)):
        among = {key: measure(several, cells) for key, several in scores.items()}
        some = {key: (lambda rows, of=of: of(rated[rows])) for key, of in among.items()}
        found[name] = figures.told(figures.estimates(some, talks.users[rated], draws=100))
    found["bot_r"] = {name: _bot_r(talks, several) for name, several in scores.items()}
    keys = {"ours": "ours", "baseline": "place", "reference": "encoder"}
    told = {key: found["auroc"][name] for key, name in keys.items()}
    compared = ("ours_less_place", "ours_deal_1_less_encoder", "with_earlier", "place_and_earlier")
    told |= {key: found["auroc"][key] for key in (*compared, "with_earlier_less_place_and_earlier")}
    return told | {"on_record": FIRST, "rows": len(place), "loves": int(talks.loves.sum()), **found}


def _crossed(rows: Floats, labels: Floats, owner: Any, config: ViewsConfig) -> Floats:
    """Each row's score by a head that did not see its user."""
    scores, one = np.zeros(len(labels)), np.ones(len(labels))
    for fold in range(FOLDS):
        inside, outside = owner == fold, owner != fold
        held = (rows[outside][:1], labels[outside][:1], one[:1])  # one penalty: nothing is chosen
        heads = fit_heads(rows[outside], labels[outside], one[outside], held, config)
        scores[inside] = np.mean([head.logits(rows[inside]) for head in heads], axis=0)
    return scores


def _bot_r(talks: sets.Talks, several: list[Floats]) -> dict[str, float]:
    bots = np.unique(talks.bots)
    loves = [float(talks.loves[talks.bots == bot].mean()) for bot in bots]
    found = pearson(
        [float(np.mean([sigmoid(one)[talks.bots == bot].mean() for one in several])) for bot in bots], loves
    )
    if found is None:
        raise ValueError(f"{len(bots)} bots: r needs two that differ")
    return {"value": round(found.r, 3), "low": round(found.ci.low, 3), "high": round(found.ci.high, 3)}


def _part(talks: sets.Talks, users: int) -> sets.Talks:
    names = np.unique(talks.users)[:users]
    kept = np.flatnonzero(np.isin(talks.users, names))
    texts = [[column[row] for row in kept] for column in talks[:2]]
    return sets.Talks(texts[0], texts[1], *(column[kept] for column in talks[2:]))  # type: ignore[arg-type]
