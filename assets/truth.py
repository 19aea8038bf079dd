"""The only place where a run's results are held against the hidden truth of the synthetic world.

What is found here stands in the report beside what was learnt. Nothing that is computed here flows back into a model, a
gate or a decision.
"""

from typing import Any

import numpy as np

from assets.run import Run
from assets.stages import feedback, source


def adversary(run: Run) -> dict[str, Any]:
    """What the adversary filter left out of the clean feedback, by mass: 1 - trust of a love that is weighed down.

    Counted are mature loves: of people those that were not taken back, of attacks those that say something new (a copy
    of a love on the same response does not). A love on what somebody else was shown never counts and is caught.

    Returns:
        recall (share of the attacks' loves), recall_by_attack, attack_loves, honest_loves, honest_loss; None for a
        share of nothing.
    """
    from warehouse import open as open_warehouse

    maturity = run.recipe.training_set.maturity_hours
    asked = {
        "file": str(run.world / "truth" / "loves.parquet"),
        "moment": source.world_config(run).ends_at,
        "hours": maturity,
    }
    with open_warehouse(run.warehouse).read() as connection:
        rows = connection.execute(_LEFT_OUT, asked).fetchall()
    shares = {attack: (loves, left_out / loves) for attack, loves, left_out in rows}
    honest, lost = shares.pop(None, (0, None))
    foul = sum(loves for loves, _ in shares.values())
    return {
        "recall": sum(loves * share for loves, share in shares.values()) / foul if foul else None,
        "recall_by_attack": {attack: share for attack, (_, share) in sorted(shares.items())},
        "honest_loss": lost,
        "attack_loves": foul,
        "honest_loves": honest,
    }


_LEFT_OUT = """
WITH standing AS (
    SELECT response_id, user_id FROM reaction_state_at(CAST($moment AS TIMESTAMPTZ))
    WHERE reaction = 'love' AND action = 'added'
),
mature AS (
    SELECT response_id FROM served
    WHERE served_at <= CAST($moment AS TIMESTAMPTZ) - to_microseconds(CAST($hours * 3600000000 AS BIGINT))
),
counted AS (
    SELECT response_id, user_id, trust FROM clean_feedback_at(CAST($moment AS TIMESTAMPTZ), $hours) WHERE love
)
SELECT CAST(truth.attack AS VARCHAR) AS attack, count(*) AS loves, sum(1 - coalesce(counted.trust, 0)) AS left_out
FROM read_parquet($file) AS truth
SEMI JOIN mature ON mature.response_id = truth.response_id
LEFT JOIN standing ON standing.response_id = truth.response_id AND standing.user_id = truth.user_id
LEFT JOIN counted ON counted.response_id = truth.response_id AND counted.user_id = truth.user_id
WHERE truth.adds AND (truth.attack IS NOT NULL OR standing.response_id IS NOT NULL)
GROUP BY truth.attack
"""


def oracle_auroc(run: Run) -> float:
    """AUROC of the observable oracle on the training set: the most that any P[Love] can reach."""
    import duckdb

    from stats.metrics import auroc

    examples = feedback.training_set_directory(run) / "examples.parquet"
    query = "SELECT love, p_love_observable FROM read_parquet(?) JOIN read_parquet(?) USING (response_id)"
    found = duckdb.execute(query, [str(examples), str(run.world / "truth" / "responses.parquet")]).fetchnumpy()
    love = np.asarray(found["love"], dtype=np.float64)
    return float(auroc(love, np.asarray(found["p_love_observable"], dtype=np.float64), np.ones_like(love)))


def of_answers(prompts: list[Any], answers: list[str], base_love_rate: float) -> dict[str, Any]:
    """What a policy's answers truly are: mean chance of a heart, and shares of helpful, safe, fluent, closing ones."""
    from streams.synthetic.truth import formulas

    readings = formulas.read(prompts, answers)
    return {
        "true_love": float(formulas.observable_love(prompts, readings, base_love_rate=base_love_rate).mean()),
        "true_helpful": float(formulas.helpful(readings).mean()),
        "true_safe": float(formulas.safe(readings).mean()),
        "fluent": float(np.mean(readings.fluent)),
        "true_closing": float(np.mean(readings.closes_needlessly)),
    }


def lift(love: float, base: float) -> float | None:
    """The true relative lift; None where the base earns nothing at all (a policy whose every answer is garbled)."""
    return love / base - 1 if base > 0 else None
