"""The general parts of the adversary filter on real fraud, cross-validated, beside the figures to beat.

    .venv/bin/python bench/adversary_real.py [--quick] [--data DIR] [--json FILE] | --figure FILE.png

starscout, accounts: the behaviour model (`training.trust`) on tallies of events, suspected accounts against a sample.
bitcoin_otc: the same model on timed ratings, fraudsters against trusted users; labels are not ratings.
starscout, stars: the lockstep search on timed suspected stars, against the same stars on shuffled days.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import harness
import numpy as np
from adversary_real_parts import crossing, picture, sets

from assets.report import adversary_words, group_plot
from warehouse.adversary.groups import co_reactions, lockstep

ACCOUNTS = {"auroc": 0.893, "recall_at_0.95": 0.66}
RATERS = {"auroc": 0.904, "recall_at_0.9": 0.56}
ACCOUNTS_DRAWN = 41
"""As many fit on a page with their numbers."""
BUDGET = 0.01
"""Expected share of honest stars that lockstep groups may cost."""


def main() -> None:
    """Measure, print, write."""
    parser = harness.arguments(__doc__, quick="one repeat of each cross-validation instead of five", data=True)
    parser.add_argument("--figure", type=Path, help="draw a group of real stars here (PNG), and do nothing else")
    wanted = parser.parse_args()
    for name in ("starscout", "bitcoin_otc"):
        if not (wanted.data / name).is_dir():
            raise SystemExit(f"{wanted.data} has no folder {name}: say with --data where the real data are")
    if wanted.figure:
        actions = sets.stars(wanted.data / "starscout")
        group = picture.drawn(actions, lockstep.find(actions, budget=BUDGET), ACCOUNTS_DRAWN)
        wanted.figure.write_bytes(group_plot.group(group))
        print(adversary_words.caption(group))
        return
    repeats = 1 if wanted.quick else 5
    figures: dict[str, Any] = {"repeats": repeats, "bitcoin_otc": {}}
    figures["stars"] = in_lockstep(sets.stars(wanted.data / "starscout"), 2 if wanted.quick else 5)
    for look, people in sets.raters(wanted.data / "bitcoin_otc").items():
        found = crossing.scores(people, folds=10, repeats=repeats, words=f"raters, {look}")
        figures["bitcoin_otc"][look] = _judged(people, found, 0.9, RATERS if look == "own" else {})
    people = sets.accounts(wanted.data / "starscout")
    found = crossing.scores(people, folds=5, repeats=repeats, words="accounts")
    figures["starscout"] = _judged(people, found, 0.95, ACCOUNTS)
    print(_words(figures))
    harness.write(wanted.json, figures)


def in_lockstep(actions: co_reactions.CoReactions, draws: int) -> dict[str, Any]:
    """Stars of accounts in lockstep groups, and how many there would be if the accounts knew nothing of each other.

    The null keeps each account's items, days' worth of stars and hours, and deals their days anew; its draws here are
    not the ones that the search laid its lines by.
    """
    found = lockstep.find(actions, budget=BUDGET)
    null = lockstep.null_draws(actions, co_reactions.rhythm(actions.at), draws, seed=4_711)
    false = [_flagged(draw, lockstep.find(draw, budget=BUDGET)) for draw in null]
    sizes = sorted((len(group.members) for group in found.groups), reverse=True)
    return {
        "stars": len(actions.at),
        "share_in_groups": round(_flagged(actions, found), 4),
        "share_in_groups_if_shuffled": [round(each, 5) for each in false],
        "budget": BUDGET,
        "groups": len(sizes),
        "largest": sizes[:5],
        "accounts_in_groups": int((found.scores > 0).sum()),
    }


def _flagged(actions: co_reactions.CoReactions, found: lockstep.LockstepSearch) -> float:
    return float(np.mean(found.scores[actions.user] > 0))


def _judged(
    people: sets.Labelled, found: crossing.Floats, precision: float, reference: dict[str, float]
) -> dict[str, Any]:
    told = crossing.beside(crossing.measured(people.bad, found, precision), reference)
    return {"accounts": len(people.bad), "bad": int(people.bad.sum()), **told}


def _words(figures: dict[str, Any]) -> str:
    rows = {"starscout accounts": figures["starscout"]}
    rows |= {f"bitcoin_otc, {look}": each for look, each in figures["bitcoin_otc"].items()}
    lines = []
    for name, each in rows.items():
        for measure, told in each.items():
            if isinstance(told, dict):
                aim = (
                    "" if told["reference"] is None else f"{told['reference']}  {'KEPT' if told['kept'] else 'MISSED'}"
                )
                figure = crossing.Estimate(told["value"], told["low"], told["high"])
                lines.append(f"{name:<34}{measure:<16}{figure!s:<26}{aim}")
    stars = figures["stars"]
    false = ", ".join(f"{each:.3%}" for each in stars["share_in_groups_if_shuffled"])
    lines.append(
        f"starscout stars: {stars['share_in_groups']:.1%} of {stars['stars']:,} are by accounts in the "
        f"{stars['groups']} lockstep groups found; on shuffled days {false} (at most {stars['budget']:.0%} expected)"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
