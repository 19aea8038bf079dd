"""diasafety: whether an answer is unsafe in its context; learnt on its training file, tested on its validation file."""

from pathlib import Path
from typing import Any

import numpy as np

from real_rewards_parts import crossing, figures, sets, stored, tuned
from stats.estimate import Floats
from stats.metrics import auroc
from training.reward.config import ViewsConfig
from training.reward.views import COLUMNS, views
from training.text import plain

TOKENS = 96
FIRST = {"frozen": 0.801}
"""AUROC on record."""


def measured(data: Path, seeds: int, *, quick: bool) -> dict[str, Any]:
    """AUROC on the validation file, with intervals over contexts."""
    learnt, held = sets.diasafety(data)
    if quick:
        learnt = sets.Labelled(*(column[:600] for column in learnt))  # type: ignore[arg-type]
    talks, said = learnt.conversations + held.conversations, learnt.responses + held.responses
    labels = np.concatenate([learnt.labels, held.labels])
    contexts = np.array([each[0]["content"] for each in talks])
    train = np.flatnonzero(
        ~np.isin(contexts, contexts[len(learnt.labels) :]) & (np.arange(len(said)) < len(learnt.labels))
    )
    test = np.arange(len(learnt.labels), len(said))
    encoder = stored.vectors("diasafety", [*contexts, *said], max_tokens=TOKENS)
    rows = views(encoder, talks, said, ViewsConfig(context=("place",), head="logistic"))
    vectors = rows[:, len(COLUMNS) : len(COLUMNS) + 2 * 384]
    config = ViewsConfig(context=("place",), head="logistic", strengths=(30.0,))
    scores: dict[str, list[Floats]] = {}
    for name, some in (("frozen", vectors), ("views", rows)):

        def linear(some: Any = some) -> Any:
            return crossing.scores(some, labels, contexts, train, test, config=config)

        key = [stored.code("sets", "views", "trees", "surface", "messages"), name, str(len(train)), *said]
        scores[name] = [stored.array("diasafety-scores", key, linear).astype(np.float64)]
        print(f"diasafety: {name}", flush=True)
    scores["tfidf"] = [_tfidf(talks, said, labels, train, test)]
    scores["tuned"] = []
    ids, states = tuned.ids_of([*zip(contexts.tolist(), said, strict=True)], TOKENS), {}
    for seed in range(1, (1 if quick else seeds) + 1):
        plan = tuned.Plan(epochs=1 if quick else 2, seed=seed)

        def make(plan: Any = plan) -> Any:
            loss, batches = (
                tuned.binary(labels, np.ones(len(labels))),
                tuned.whole_groups(np.arange(len(labels)), train),
            )
            return tuned.fitted_scores(ids, batches, loss, plan, test, states)

        key = [stored.code("sets", "tuned", "frozen"), str(plan), str(len(train)), *said]
        scores["tuned"].append(stored.array("diasafety-scores", key, make).astype(np.float64))
        print(f"diasafety: tuned, seed {seed}", flush=True)
    scores["ours"] = [figures.alike([each, scores["views"][0]]) for each in scores["tuned"]]

    def measure(several: list[Floats]) -> figures.Measure:
        return lambda at: float(np.mean([auroc(labels[test[at]], one[at]) for one in several]))

    less = [("ours", "frozen"), ("ours", "tfidf")]
    measures = {name: measure(several) for name, several in scores.items()}
    told = figures.told(figures.estimates(measures, contexts[test], less=less))
    keys = {"ours": "ours", "baseline": "tfidf", "reference": "frozen"}
    return {key: told[name] for key, name in keys.items()} | {"on_record": FIRST, "rows": len(test), "auroc": told}


def _tfidf(talks: Any, said: list[str], labels: Floats, train: Any, test: Any) -> Floats:
    """Words and word pairs, logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = [plain(*each) for each in zip(talks, said, strict=True)]
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), LogisticRegression(C=1.0))
    model.fit([texts[row] for row in train], labels[train])
    return np.asarray(model.decision_function([texts[row] for row in test]), dtype=np.float64)
