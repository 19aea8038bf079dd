"""The figures as tables in words, each aim beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Found = dict[str, Any]
MEAN_RECALL, LEAST_RECALL, HONEST_LOSS, SHIFT_CUT, AUROC_LOSS = 0.9, 0.7, 0.01, 0.9, 0.01


def lines(found: Found) -> Iterator[str]:
    """Everything that a reader needs, line by line."""
    yield "recall (share of an attack's loves left out), by the attack's share of all loves"
    yield from _recalls(found)
    if found["unseen_recall"]:
        yield "the same for attacks that the filter was not written for"
        yield from _recalls(found, "unseen_")
    if found["together_recall"]:
        yield "the same in a world that suffers all of the first ones at once"
        yield from _recalls(found, "together_")
    if found["gave_no_love"]:
        yield f"gave no love (means over shares take the other seeds' value): {', '.join(found['gave_no_love'])}"
    yield ""
    yield "hours: from a love to its being left out (median), from the first love to the first alarm; never found"
    yield from table([("attack", "share", "love", "alarm", "never"), *_times(found)])
    yield ""
    yield "mean P[Love] on what the attack wants to lift: clean model, and shift without and with the filter"
    yield from table([("attack", "share", "clean", "without", "with", "cut"), *map(_shift, found["shifts"])])
    yield ""
    yield "rules, as the share of an attack's loves that each leaves out"
    for name, rules in (*found["rules"].items(), ("honest loves", found["honest_rules"])):
        yield f"  {name}: " + (", ".join(f"{rule} {share:.2%}" for rule, share in rules.items()) or "none")
    yield ""
    yield from aims(found)


def aims(found: Found) -> Iterator[str]:
    """Each aim beside what was measured."""
    intervals = found["intervals"]
    checks = []
    for key, when in (("recall", "as the filter runs"), ("recall_at_loss", "at exactly the honest loss allowed")):
        checks.append((f"mean recall {when}", intervals[f"mean_{key}"], "at least", MEAN_RECALL))
        if intervals[key]:
            _, worst = min((value["mean"], name) for name, value in intervals[key].items())
            checks.append((f"least recall {when} ({worst})", intervals[key][worst], "at least", LEAST_RECALL))
    checks += [
        ("honest loss", intervals["honest_loss"], "at most", HONEST_LOSS),
        ("shift of the target cut by", intervals["target_shift_cut"], "at least", SHIFT_CUT),
        ("honest AUROC lost", intervals["honest_auroc_loss"], "at most", AUROC_LOSS),
    ]
    for name, value, rule, aim in checks:
        if value["mean"] is not None:
            kept = value["mean"] >= aim if rule == "at least" else value["mean"] <= aim
            yield f"{name} = {_with_interval(value)}, aim: {rule} {aim:g}: {'KEPT' if kept else 'MISSED'}"


def table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Rows with columns of equal width, the first one to the left.

    >>> print(*table([("attack", "share"), ("burst", "1 %")]), sep="|")
      attack  share|  burst     1 %
    """
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))).rstrip()


def _recalls(found: Found, prefix: str = "") -> Iterator[str]:
    shares = list(found[f"{prefix}recall_by_share"])
    heads = ("mean", "at 1 % loss", "precision", "honest loss", "shift cut")
    keys = ("recall", "recall_at_loss", "precision", "honest_loss_by_attack", "target_shift_cut_by_attack")
    rows = [("attack", *(f"{float(share):.1%}" for share in shares), *heads)]
    for name in found[f"{prefix}recall"]:
        each = [_plain(found[f"{prefix}recall_by_share"][share].get(name)) for share in shares]
        last = [_plain(found[f"{prefix}{key}"][name], 4 if key.startswith("honest") else 3) for key in keys]
        rows.append((name, *each, *last))
    yield from table(rows)


def _times(found: Found) -> Iterator[tuple[str, ...]]:
    for name, shares in found["time_to_detection"].items():
        for share, each in shares.items():
            hours = [_plain(each[key], 1) for key in ("median", "alarm")]
            yield name, f"{float(share):.0%}", *hours, f"{each['censored']:.0%}"


def _shift(row: Found) -> tuple[str, ...]:
    cut = "no shift" if row["within_noise"] else _plain(row["cut"])
    shifts = [f"{row[key]['mean']:+.4f}" for key in ("open", "filtered")]
    return row["attack"], f"{row['share']:.0%}", f"{row['clean']:.4f}", *shifts, cut


def _plain(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _with_interval(value: Found) -> str:
    if value["low"] is None:
        return f"{value['mean']:.4f} (one seed)"
    return f"{value['mean']:.4f} [{value['low']:.4f}, {value['high']:.4f}]"
