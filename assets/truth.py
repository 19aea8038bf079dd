"""The only place where a run's results are held against the hidden truth of the synthetic world.

What is found here stands in the report beside what was learnt. Nothing that is computed here flows back into a model, a
gate or a decision.
"""

from typing import Any

import numpy as np

from assets.run import Facts, Run
from assets.stages import feedback


def adversary(run: Run) -> Facts:
    """What the adversary filter left out: shares of loves, of attacks (recall) and of people (honest_loss)."""
    from warehouse import open as open_warehouse

    query = """
        SELECT truth.attack IS NOT NULL, count(*) AS loves,
            count(*) FILTER (caught.event_id IS NOT NULL OR gone.user_id IS NOT NULL) AS left_out
        FROM reactions
        JOIN read_parquet(?) AS truth USING (event_id)
        LEFT JOIN quarantined_reactions AS caught USING (event_id)
        LEFT JOIN quarantined_users AS gone ON gone.user_id = reactions.user_id
        GROUP BY truth.attack IS NOT NULL
    """
    with open_warehouse(run.warehouse).read() as connection:
        rows = connection.execute(query, [str(run.world / "truth" / "loves.parquet")]).fetchall()
    shares = {foul: (loves, left_out / loves) for foul, loves, left_out in rows}
    attacks, people = shares.get(True, (0, None)), shares.get(False, (0, None))
    return {"recall": attacks[1], "honest_loss": people[1], "attack_loves": attacks[0], "honest_loves": people[0]}


def oracle_auroc(run: Run) -> float:
    """AUROC of the observable oracle on the training set: the most that any P[Love] can reach."""
    import duckdb

    from training.reward.metrics import auroc

    examples = feedback.training_set_directory(run) / "examples.parquet"
    query = "SELECT love, p_love_observable FROM read_parquet(?) JOIN read_parquet(?) USING (response_id)"
    found = duckdb.execute(query, [str(examples), str(run.world / "truth" / "responses.parquet")]).fetchnumpy()
    love = np.asarray(found["love"], dtype=np.float64)
    return float(auroc(love, np.asarray(found["p_love_observable"], dtype=np.float64), np.ones_like(love)))


def of_answers(prompts: list[Any], answers: list[str], base_love_rate: float) -> Facts:
    """What a policy's answers truly are: mean chance of a heart, and shares of helpful, safe, fluent, closing ones."""
    from streams.synthetic import truth

    readings = truth.read(prompts, answers)
    return {
        "true_love": float(truth.observable_love(prompts, readings, base_love_rate=base_love_rate).mean()),
        "true_helpful": float(truth.helpful(readings).mean()),
        "true_safe": float(truth.safe(readings).mean()),
        "fluent": float(np.mean(readings.fluent)),
        "true_closing": float(np.mean(readings.closes_needlessly)),
    }


def lift(love: float, base: float) -> float | None:
    """The true relative lift; None where the base earns nothing at all (a policy whose every answer is garbled)."""
    return love / base - 1 if base > 0 else None
