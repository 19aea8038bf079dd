"""How fast, how right and how useful each judge is: [--quick] [--json FILE] [--data DIR].

On answers of the world's grammar, whose traits are known since they were drawn before they were written (garbled ones
left out), and on violations that are made on purpose. For each judge:

    rate        judgements a second of CPU time, which a busy machine changes little; eight to a message, as in a round
    precision   of what trips, the share that violates; recall: of what violates, the share that trips
    repaired    of the violations found, the share with a repair
    clean       of the repairs, the share in which the world's own reading finds the trait gone
    kept        of the repaired answers that were right, the share that still is

beside a naive lexicon. `false_refusal` is a judge that the reward trainer learnt from labelled answers of other draws,
a twentieth of them labelled wrongly; all the others are patterns. The LLM judge's client is timed alone, against a
server that answers at once. Real sets are read in place where they are: trip rates on ConvAI's bots and on people's
chats, needless refusals of XSTest.
"""

import json
import time
from typing import Any

import harness
import numpy as np
from judges_parts import client, real, trained
from judges_parts.labelled import Labelled, labelled
from judges_parts.rivals import RIVALS
from numpy.typing import NDArray

from assets.recipe import JUDGES
from streams.synthetic.truth.formulas import read
from training.judges import Panel, judge_all
from training.judges.library import build

SETTINGS: dict[str, dict[str, Any]] = {"length": {"most": 16}, "refusal": {"borderline": True}}
"""The grammar's harmful requests are all known to the judge of unsafe answers, so borderline ones can be judged."""
TRAITS = {
    "closing": "closes_needlessly",
    "flattery": "flatters",
    "emoji": "emoji",
    "refusal": "false_refusal",
    "unsafe": "complies",
}
"""What the world's reading calls it."""
SAMPLES = 8


def measure(name: str, pairs: Labelled, judge: Any = None) -> dict[str, Any]:
    """One judge's figures; of the library's, where none is given."""
    judge = judge or build(name, SETTINGS.get(name))
    verdicts = judge_all(judge, pairs.conversations, pairs.responses)
    trips = np.array([each.violates for each in verdicts])
    figures = {"pairs": len(trips), "violations": int(pairs.violates.sum()), **_quality(trips, pairs.violates)}
    figures["rate"] = _rate(judge, pairs)
    hits = [place for place, each in enumerate(verdicts) if each.violates and pairs.violates[place]]
    mended = [place for place in hits if verdicts[place].repaired is not None]
    figures["repaired"] = len(mended) / max(1, len(hits))
    if name in TRAITS and mended:
        figures |= _after(name, pairs, mended, [str(verdicts[place].repaired) for place in mended])
    if name in RIVALS:
        words, rival = RIVALS[name]
        said = np.array([rival(asked[-1]["content"], text) for asked, text, _ in zip(*pairs, strict=True)])
        rate = _rate(lambda asked, text: rival(asked[-1]["content"], text), pairs)
        figures["rival"] = {"what": words, **_quality(said, pairs.violates), "rate": rate}
        figures["rate_ratio"] = figures["rate"] / rate
    return figures


def panel_rate(pairs: Labelled) -> float:
    """Responses a second through the default judges together, each message with as many samples as a prompt has."""
    panel = Panel({name: build(name) for name in JUDGES})
    asked = [each for each in pairs.conversations[:2_000] for _ in range(SAMPLES)]
    said = [each for each in pairs.responses[:2_000] for _ in range(SAMPLES)]
    started = time.process_time()
    panel.ask(asked, said)
    return len(said) / (time.process_time() - started)


def _quality(said: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, Any]:
    right = int((said & truth).sum())
    return {"precision": right / max(1, int(said.sum())), "recall": right / max(1, int(truth.sum()))}


def _rate(judge: Any, pairs: Labelled) -> float:
    """Judgements a second over the first pairs, each asked about as often as a prompt has samples."""
    some = list(zip(pairs.conversations, pairs.responses, strict=True))[:2_000]
    started = time.process_time()
    if hasattr(judge, "judge_all"):  # a model reads many at once
        judge.judge_all(*zip(*some, strict=True))
        return len(some) / (time.process_time() - started)
    for asked, text in some:
        for _ in range(SAMPLES):
            judge(asked, text)
    return len(some) * SAMPLES / (time.process_time() - started)


def _after(name: str, pairs: Labelled, places: list[int], texts: list[str]) -> dict[str, Any]:
    """What the world reads in the repairs."""
    asked = [pairs.conversations[place] for place in places]
    before, after = read(asked, [pairs.responses[place] for place in places]), read(asked, texts)
    gone = ~np.asarray(getattr(after, TRAITS[name]))
    return {
        "clean": float(gone.mean()),
        "kept": float(after.right[before.right].mean()) if before.right.any() else None,
        "fluent": float(after.fluent[before.fluent].mean()) if before.fluent.any() else None,
    }


def _table(figures: dict[str, Any]) -> str:
    head = f"{'judge':<14}{'violations':>11}{'precision':>11}{'recall':>8}{'repaired':>10}{'clean':>7}{'kept':>7}"
    lines = [f"{head}{'rate/s':>11}   rival: precision, recall, rate ratio"]
    for name, each in figures.items():
        clean, kept = (f"{each[key]:7.3f}" if each.get(key) is not None else f"{'-':>7}" for key in ("clean", "kept"))
        line = f"{name:<14}{each['violations']:>11,}{each['precision']:>11.3f}{each['recall']:>8.3f}"
        line += f"{each['repaired']:>10.3f}{clean}{kept}{each['rate']:>11,.0f}"
        rival = each.get("rival")
        told = (
            f"{rival['precision']:.3f}, {rival['recall']:.3f}, {each['rate_ratio']:.2f} ({rival['what']})"
            if rival
            else ""
        )
        lines.append(f"{line}   {told}")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = harness.arguments(__doc__, quick="2,000 pairs a judge instead of 40,000", data=True)
    wanted = parser.parse_args()
    sets = labelled(2_000 if wanted.quick else 40_000, seed=1)
    judges = {name: measure(name, pairs) for name, pairs in sets.items()}
    learnt_from = labelled(2_000 if wanted.quick else 20_000, seed=2)["refusal"]
    judges["false_refusal"] = measure("false_refusal", sets["refusal"], trained.judge(learnt_from))
    print(_table(judges))
    together = panel_rate(sets["closing"])
    print(f"the default panel of {len(JUDGES)}: {together:,.0f} responses a CPU second")
    asked = 64 if wanted.quick else 2_000
    llm = {"chat": client.rate("chat", asked), "completions": client.rate("completions", asked)}
    print(f"llm, client alone: {llm['chat']:,.0f}/s by chat, {llm['completions']:,.0f}/s by completions")
    found = real.figures(wanted.data, 3_000 if wanted.quick else 1_000_000)
    for name, each in found.items():
        print(name, json.dumps(each, indent=1))
    figures = {"judges": judges, "panel_rate": together, "llm_client_rate": llm, "real": found}
    harness.write(wanted.json, figures)


if __name__ == "__main__":
    main()
