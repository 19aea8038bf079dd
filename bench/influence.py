"""What friends do to an A/B test, and where the majority vote ends: [--quick] [--json FILE] [--pictures DIR].

Four worlds a seed, the same people in all of them, with and without social influence: an A/B test, the same test with
the arms swapped, everybody in A, everybody in B. Then

    naive  = loves a response in B less in A, within a test; mean of the test and its swap, which takes out who
             happened to be in which arm
    total  = loves a response where everybody is in B less where everybody is in A
    bias   = naive / total - 1

To leave the design and take out the chance, loves are expected ones (by the full oracle), as a user of average taste
would give them, and the rates are standardised to the same mix of requests and moods (none of which B changes).
`one_test` is what a single test shows without all that. Real loves are used for how they cluster: the intraclass
correlation by community (analysis of variance) and the design effect, that is the variance of the love rate with
communities as clusters over the binomial one.

The phase diagram runs the majority vote from communities of opposite opinions, over homophily, noise and the
correlation of the layers' communities.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import harness
import numpy as np
from numpy.typing import NDArray
from scipy.stats import t
from tqdm import tqdm

from streams.synthetic import WorldConfig
from streams.synthetic.config import Experiment
from streams.synthetic.language.habits import INCUMBENT, Habits
from streams.synthetic.language.vocabulary import KINDS
from streams.synthetic.people.day import REACTIONS
from streams.synthetic.people.life import Life
from streams.synthetic.social import SocialConfig, majority
from streams.synthetic.social.multiplex import draw_multiplex
from streams.synthetic.truth.formulas import TASTE_SIGMA

Floats = NDArray[np.float64]

ASKS_BACK = INCUMBENT._replace(asks_back=0.8)
"""Arm B: pleases more than it earns loves by itself, as a good change may."""
SETTLES = 7
"""Days before the measurement."""
HOMOPHILY, NOISE = np.linspace(0.4, 1.0, 7), np.linspace(0.02, 0.34, 9)
CORRELATIONS = (0.0, 0.5, 1.0)
REGIMES = ("mixed", "consensus", "polarised")
LOVE = REACTIONS.index("love")
MIXES = 2 * len(KINDS)


class Lived(NamedTuple):
    """What a world showed: sums by arm, kind of request and mood (float64[2, MIXES]), and by community.

    Attributes:
        plain: Expected loves; `loves`: of users of average taste; `responses`: how many.
        community_loves: Real loves; `community_responses`: how many responses.
    """

    plain: Floats
    loves: Floats
    responses: Floats
    community_loves: Floats
    community_responses: Floats


def live(config: WorldConfig) -> Lived:
    """Live through a world and count from day `SETTLES` on."""
    life = Life(config, np.random.default_rng(config.seed).spawn(2)[0])
    assert life.society is not None
    community = life.society.network.first.community
    by_arm, by_community = (2, MIXES), community.max() + 1
    sums = Lived(*(np.zeros(shape) for shape in (by_arm, by_arm, by_arm, by_community, by_community)))
    average = np.exp(TASTE_SIGMA**2 / 2)
    for number in range(config.days):
        for day in life.live(number):
            if number >= SETTLES:
                odds = day.p_love / (1 - day.p_love) * average / life.people.taste[day.user]
                place = day.arm, 2 * day.talk.kinds + day.talk.happy
                np.add.at(sums.plain, place, day.p_love)
                np.add.at(sums.loves, place, odds / (1 + odds))
                np.add.at(sums.responses, place, 1)
                np.add.at(sums.community_loves, community[day.user], day.reaction == LOVE)
                np.add.at(sums.community_responses, community[day.user], 1)
    return sums


def four_worlds(seed: int, influence: float, responses: int) -> dict[str, float]:
    """The figures of one seed, with the coupling at `influence` times its default."""

    def world(control: Habits, treatment: Habits) -> Lived:
        test = Experiment(name="asks-back", control=control, treatment=treatment)
        sizes = {"responses": responses, "users": responses * 3 // 50, "days": 28}
        return live(WorldConfig(seed=seed, social=SocialConfig(influence=influence), experiment=test, **sizes))

    test, swapped = world(INCUMBENT, ASKS_BACK), world(ASKS_BACK, INCUMBENT)
    all_a, all_b = world(INCUMBENT, INCUMBENT), world(ASKS_BACK, ASKS_BACK)
    worlds = (test, swapped, all_a, all_b)
    mix = np.sum([one.responses.sum(axis=0) for one in worlds], axis=0)
    mix /= mix.sum()
    shown = test.plain.sum(axis=1) / test.responses.sum(axis=1)
    rates, swapped_rates = (standard(one.loves, one.responses, mix) for one in (test, swapped))
    in_a, in_b = (standard(one.loves.sum(axis=0), one.responses.sum(axis=0), mix) for one in (all_a, all_b))
    icc, design = clustering(all_a.community_loves, all_a.community_responses)
    return {
        "one_test": float(shown[1] - shown[0]),
        "naive": float(rates[1] - rates[0] + swapped_rates[0] - swapped_rates[1]) / 2,
        "total": float(in_b - in_a),
        "all_in_a": float(in_a),
        "control": float(rates[0] + swapped_rates[1]) / 2,
        "icc": icc,
        "design_effect": design,
    }


def standard(loves: Floats, responses: Floats, mix: Floats) -> Any:
    """Love rates at the same mix of requests and moods: `sum_s mix_s loves_s / responses_s`, over the last axis."""
    return (mix * loves / np.maximum(responses, 1)).sum(axis=-1)


def clustering(loves: Floats, responses: Floats) -> tuple[float, float]:
    """Intraclass correlation of loves and their design effect, from sums by cluster.

    With `p` the love rate and k clusters of m_c responses: `ICC = (MSB - MSW) / (MSB + (m_0 - 1) MSW)`, where
    `m_0 = (n - sum m_c^2 / n) / (k - 1)`; the design effect is `sum_c (loves_c - m_c p)^2 / (n p (1 - p))`.
    """
    seen = responses > 0
    loves, sizes = loves[seen], responses[seen]
    n, k = sizes.sum(), len(sizes)
    p, own = loves.sum() / n, loves / sizes
    between = float((sizes * (own - p) ** 2).sum() / (k - 1))
    within = float((sizes * own * (1 - own)).sum() / (n - k))
    usual = (n - (sizes**2).sum() / n) / (k - 1)
    icc = (between - within) / (between + (usual - 1) * within)
    return float(icc), float(((loves - sizes * p) ** 2).sum() / (n * p * (1 - p)) * k / (k - 1))


def summed(seeds: list[dict[str, float]]) -> dict[str, Any]:
    """Means over seeds with 95 % intervals (Student's t); the bias is relative to the mean total effect."""
    total = np.mean([one["total"] for one in seeds])
    columns = {name: np.array([one[name] for one in seeds]) for name in seeds[0]}
    columns["bias"] = (columns["naive"] - columns["total"]) / total
    return {name: interval(column) for name, column in columns.items()}


def interval(values: Floats) -> list[float]:
    """Mean, and the 95 % interval of it."""
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [float(f"{value:.3g}") for value in (values.mean(), values.mean() - half, values.mean() + half)]


def phases(seeds: int) -> NDArray[np.int64]:
    """Regimes, int64[correlations, homophily, noise, seeds]: places in `REGIMES`."""
    found = np.zeros((len(CORRELATIONS), len(HOMOPHILY), len(NOISE), seeds), np.int64)
    for place in tqdm([*np.ndindex(found.shape)], desc="majority votes", disable=None):
        correlation, homophily, noise, seed = place
        rng = np.random.default_rng([seed, homophily, noise])
        dials = {"homophily": HOMOPHILY[homophily], "correlation": CORRELATIONS[correlation]}
        network = draw_multiplex(rng, 1_000, communities=2, friends=12, **dials)
        opinion = (network.first.community * 2 - 1).astype(np.int8)
        vote = majority.Vote(NOISE[noise], preference=0.5)
        found[place] = REGIMES.index(majority.regime(majority.run(opinion, network, vote, rng, 150), network))
    return found


def draw_phases(found: NDArray[np.int64], at: Path) -> None:
    """The phase diagram: in each cell the colours of the regimes, mixed by how many seeds ended there."""
    from matplotlib import pyplot as plt
    from matplotlib.patches import Patch

    colours = np.array([[0.93, 0.93, 0.93], [0.45, 0.65, 0.85], [0.85, 0.45, 0.40]])
    figure, axes = plt.subplots(1, len(CORRELATIONS), figsize=(9, 3.2), sharey=True, layout="constrained")
    for axis, correlation, cells in zip(axes, CORRELATIONS, found, strict=True):
        axis.imshow(
            colours[cells].mean(axis=2),
            origin="lower",
            aspect="auto",
            extent=(NOISE[0] - 0.02, NOISE[-1] + 0.02, HOMOPHILY[0] - 0.05, HOMOPHILY[-1] + 0.05),
        )
        axis.set_title(f"correlation {correlation:g}", fontsize=10)
        axis.set_xlabel("noise")
    axes[0].set_ylabel("homophily")
    axes[0].legend(
        loc="lower left",
        handles=[Patch(color=c, label=name) for c, name in zip(colours, REGIMES, strict=True)],
        fontsize=8,
    )
    figure.savefig(at, dpi=80)
    plt.close(figure)


def draw_effects(figures: dict[str, Any], at: Path) -> None:
    """Naive and total effects with their intervals, off and on."""
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(5, 2.2), layout="constrained")
    for shift, name, label in ((0.1, "naive", "A/B test"), (-0.1, "total", "everybody in B less everybody in A")):
        means, lows, highs = np.array([figures[which][name] for which in ("off", "on")]).T * 1_000
        axis.errorbar(means, np.arange(2) + shift, xerr=[means - lows, highs - means], fmt="o", capsize=3, label=label)
    axis.set_yticks([0, 1], ["without influence", "with influence"])
    axis.set_xlim(left=0)
    axis.set_ylim(-0.6, 1.6)
    axis.set_xlabel("loves that B adds, per 1,000 responses")
    figure.legend(fontsize=8, loc="outside upper center", ncols=2)
    figure.savefig(at, dpi=80)
    plt.close(figure)


def main() -> None:
    """Measure, print, and say whether friends do what they ought to."""
    parser = harness.arguments(__doc__, quick="2 seeds of 60,000 responses instead of 5 of 200,000")
    parser.add_argument("--pictures", type=Path, help="draw influence-phases.png and influence-effects.png there")
    wanted = parser.parse_args()
    seeds, responses = (range(1, 3), 60_000) if wanted.quick else (range(1, 6), 200_000)
    figures: dict[str, Any] = {"seeds": len(seeds), "responses": responses}
    for name, influence in (("off", 0.0), ("on", 1.0)):
        told = tqdm(seeds, desc=f"worlds, influence {name}", disable=None)
        figures[name] = summed([four_worlds(seed, influence, responses) for seed in told])
    found = phases(1 if wanted.quick else 3)
    shares = (found == REGIMES.index("polarised")).mean(axis=(1, 2, 3))
    figures["polarised"] = {str(c): round(float(share), 3) for c, share in zip(CORRELATIONS, shares, strict=True)}
    if wanted.pictures:
        draw_phases(found, wanted.pictures / "influence-phases.png")
        draw_effects(figures, wanted.pictures / "influence-effects.png")
    print(json.dumps(figures, indent=1))
    harness.write(wanted.json, figures)
    _judge(figures, quick=wanted.quick)


def _judge(figures: dict[str, Any], *, quick: bool) -> None:
    off, on = figures["off"], figures["on"]
    holds = {
        "without influence the bias is not told from 0": off["bias"][1] < 0 < off["bias"][2],
        "with influence a test underestimates": on["bias"][0 if quick else 2] < 0,
        "with influence loves cluster by community": on["design_effect"][0 if quick else 1] > 1,
        "correlated communities polarise in a wider range": sorted(figures["polarised"].values())
        == [*figures["polarised"].values()],
    }
    for claim, true in holds.items():
        print(f"{'holds' if true else 'FAILS'}: {claim}")
    if not all(holds.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
