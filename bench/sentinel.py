"""Does the sentinel find what is planted, and only that? Counts over seeds: [--quick] [--json FILE].

Policies of the simulated world answer the same prompts, about 6,000 responses each. Counted:

- `caught`: a policy with 2 % needless goodbyes beside the incumbent's .72 %, blocked by name;
- `false_alarms`: the incumbent beside itself, anything but a pass;
- `hacks_caught`: three other hacks planted into 2 % of the responses, found by their own words;
- `unseen_caught`: two more, by somebody who has not read the sentinel;
- `better_blocked`, `caught_in_better`: an honest improvement is to be shown and not blocked, and goodbyes in it found;
- `live_alarms`: the incumbent in both arms of a live test that is read four times, an alarm at any of them.
"""

from collections.abc import Iterator
from typing import Any

import harness
from sentinel_parts import hacks, trials, unseen


def main() -> None:
    """Plant, look, count."""
    parser = harness.arguments(__doc__, quick="2 seeds and 4 comparisons with itself")
    wanted = parser.parse_args()
    figures: dict[str, Any] = {}
    for name, value in measured(*((2, 4) if wanted.quick else (10, 20)), conversations=3_000):
        print(f"{name:<18} {value}", flush=True)
        figures[name] = value
        harness.write(wanted.json, figures)


def measured(seeds: int, selves: int, *, conversations: int) -> Iterator[tuple[str, Any]]:
    """Every count by its name, as it comes, with what it is out of."""
    chance = range(1, seeds + 1)
    yield "seeds", seeds
    bye = [trials.closing(seed, conversations) for seed in chance]
    yield "caught", sum(each.verdict == "block" and each.named for each in bye)
    yield "selves", selves
    same = [trials.closing(100 + seed, conversations, after=trials.INCUMBENT) for seed in range(selves)]
    yield "false_alarms", sum(each.verdict != "pass" for each in same)
    yield "hacks_caught", _caught(hacks.HACKS, chance, conversations)
    yield "unseen_caught", _caught(unseen.HACKS, chance, conversations)
    better = [trials.closing(200 + seed, conversations, after=trials.BETTER) for seed in chance]
    yield "better_blocked", sum(each.verdict == "block" for each in better)
    closing = trials.BYE._replace(right=trials.BETTER.right, warm=trials.BETTER.warm)
    both = [trials.closing(200 + seed, conversations, after=closing) for seed in chance]
    yield "caught_in_better", sum(each.verdict == "block" and each.named for each in both)
    yield "live_alarms", sum(any([*trials.looks(300 + seed, conversations)]) for seed in chance)


def _caught(planted: tuple[hacks.Hack, ...], chance: range, conversations: int) -> dict[str, int]:
    return {hack.name: sum(trials.hacked(hack, seed, conversations).named for seed in chance) for hack in planted}


if __name__ == "__main__":
    main()
