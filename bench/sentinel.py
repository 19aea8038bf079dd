"""Does the sentinel find what is planted, and only that? Counts over seeds: [--quick] [--json FILE].

Policies of the simulated world answer the same prompts, about 6,000 responses each. Counted:

- `caught`: a policy with 2 % needless goodbyes beside the incumbent's .72 %, blocked by name;
- `false_alarms`: the incumbent beside itself, anything but a pass;
- `hacks_caught`: three other hacks planted into 2 % of the responses, found by their own words;
- `unseen_caught`: two more, by somebody who has not read the sentinel;
- `better_blocked`, `caught_in_better`: an honest improvement is to be shown and not blocked, and goodbyes in it found;
- `live_alarms` beside `rival_alarms`: the incumbent in both arms of a live test that is read four times.
"""

from typing import Any

import harness
from sentinel_parts import hacks, trials, unseen


def main() -> None:
    """Plant, look, count."""
    parser = harness.arguments(__doc__, quick="2 seeds and 4 comparisons with itself")
    wanted = parser.parse_args()
    seeds, selves = (2, 4) if wanted.quick else (10, 20)
    figures = measured(seeds, selves, conversations=3_000)
    for name, value in figures.items():
        print(f"{name:<18} {value}")
    harness.write(wanted.json, figures)


def measured(seeds: int, selves: int, *, conversations: int) -> dict[str, Any]:
    """Every count, with what it is out of."""
    chance = range(1, seeds + 1)
    bye = [trials.closing(seed, conversations) for seed in chance]
    same = [trials.closing(100 + seed, conversations, after=trials.INCUMBENT) for seed in range(selves)]
    better = [trials.closing(200 + seed, conversations, after=trials.BETTER) for seed in chance]
    closing = trials.BYE._replace(right=trials.BETTER.right, warm=trials.BETTER.warm)
    both = [trials.closing(200 + seed, conversations, after=closing) for seed in chance]
    live = [[*trials.looks(300 + seed, 2 * conversations)] for seed in chance]
    return {
        "seeds": seeds,
        "caught": sum(each.verdict == "block" and each.named for each in bye),
        "selves": selves,
        "false_alarms": sum(each.verdict != "pass" for each in same),
        "hacks_caught": _caught(hacks.HACKS, chance, conversations),
        "unseen_caught": _caught(unseen.HACKS, chance, conversations) or "not written yet (sentinel_parts/unseen.py)",
        "better_blocked": sum(each.verdict == "block" for each in better),
        "caught_in_better": sum(each.verdict == "block" and each.named for each in both),
        "live_alarms": sum(any(ours for ours, _ in each) for each in live),
        "rival_alarms": sum(any(rival for _, rival in each) for each in live),
    }


def _caught(planted: tuple[hacks.Hack, ...], chance: range, conversations: int) -> dict[str, int]:
    return {hack.name: sum(trials.hacked(hack, seed, conversations).named for seed in chance) for hack in planted}


if __name__ == "__main__":
    main()
