"""A policy optimised on ranks of their own, under torchrun: the run and the Love weight by a file."""

import pickle
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from assets.run import Run

if TYPE_CHECKING:
    from training.cgpo.report import PolicyReport


def optimise_on_ranks(run: Run, love_weight: float) -> "PolicyReport":
    """What `policy.optimised` does, on the ranks that the recipe's engine names; their log lies beside the policy.

    Raises:
        RankLostError: A rank failed or was killed; the same command goes on at the last kept state.
    """
    from training.cgpo.report import PolicyReport
    from training.engine.launch import run_module
    from training.progress import nobody, relay

    out = run.policy(love_weight)
    job = out.with_name(f"{out.name}.job")
    job.parent.mkdir(parents=True, exist_ok=True)
    job.write_bytes(pickle.dumps((replace(run, follow=nobody), love_weight)))
    log = out.with_name(f"{out.name}.log")
    run_module("assets.stages.ranks", job, run.recipe.engine, log=log, on_line=partial(relay, follow=run.follow))
    job.unlink()
    return PolicyReport.model_validate_json((out / "policy.json").read_text())


def _one_rank(job: Path) -> None:
    from assets.stages import policy
    from training.engine.steps import tell_from_first

    run, love_weight = pickle.loads(job.read_bytes())
    followed = replace(run, follow=lambda advance: tell_from_first(advance.line))
    policy.optimised(followed, love_weight, tell_from_first)


if __name__ == "__main__":
    from training.engine.steps import last_words

    with last_words():
        _one_rank(Path(sys.argv[1]))
