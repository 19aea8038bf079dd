"""A reading of an experiment as text: for people at a terminal, and the sentences that every other place shows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

DECIDED: Final = "loves_per_exposure"
"""The metric that the line of the effect tells of."""


def effect(lift: float | None, limits: Sequence[float | None]) -> str:
    """The effect on the Love rate, with the interval that holds at any look.

    >>> effect(0.5, (0.1, 1.0)), effect(None, (-1.0, float("inf")))
    ('Love rate +50.0% (+10.0% to +100.0% at any look)', 'Love rate not known yet')
    >>> effect(None, (2.5, None))
    'Love rate up from none (at least +250.0% at any look)'
    """
    low, high = (None if each is None or abs(each) == float("inf") else each for each in limits)
    if lift is None:
        known = low is not None and low > -1
        return f"Love rate up from none (at least {low:+.1%} at any look)" if known else "Love rate not known yet"
    if low is None or high is None:
        return f"Love rate {lift:+.1%} (no limits yet)"
    return f"Love rate {lift:+.1%} ({low:+.1%} to {high:+.1%} at any look)"


def metric(found: Mapping[str, Any]) -> str:
    """A metric beside the effect, with its interval at any look.

    >>> metric({"title": "revenue per user", "lift": 0.1, "ci": [0.02, 0.19], "discovered": True})
    'revenue per user +10.0% (+2.0% to +19.0% at any look), discovered'
    """
    low, high = (None if each is None or abs(each) == float("inf") else each for each in found["ci"])
    if found["lift"] is None:
        return f"{found['title']} not known yet"
    limits = "no limits yet" if low is None or high is None else f"{low:+.1%} to {high:+.1%} at any look"
    return f"{found['title']} {found['lift']:+.1%} ({limits}){', discovered' if found['discovered'] else ''}"


def left_out(facts: Mapping[str, Any]) -> list[str]:
    """What is not in the figures, one sentence for each reason that there is."""
    from experiments import users

    told = []
    if several := facts["in_several_arms"]:
        told.append(users.told(several, several / (several + sum(arm["users"] for arm in facts["arms"]))))
    if facts["immature"]:
        told.append(
            f"{_counted(facts['immature'], 'exposure')} younger than {facts['maturity_hours']:g} h, not counted yet"
        )
    if facts["aside"]:
        told.append(f"{_counted(facts['aside'], 'exposure')} of users in quarantine, left out")
    for arm, policies in facts["policies"].items():
        if len(policies) > 1:
            told.append(f"arm {arm} mixes {len(policies)} policies: {', '.join(policies)}")
    return told


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def forced(failed: Sequence[str]) -> str:
    """What stands behind every decision on a candidate that was tested although it had failed gates.

    >>> forced(["needless closings", "length"]), forced([])
    (' (forced, failed: needless closings, length)', '')
    """
    return f" (forced, failed: {', '.join(failed)})" if failed else ""


def verdict(facts: Mapping[str, Any]) -> str:
    """The decision with what must be said beside it; readings of earlier versions have the decision alone."""
    return str(facts.get("verdict") or facts["decision"])


def next_step(facts: Mapping[str, Any]) -> str:
    """What to do now."""
    policies = facts["policies"].get(facts["treatment"], [])
    served = policies[-1] if policies else f"arm {facts['treatment']}"
    match facts["decision"]:
        case "ship" if facts["failed_gates"]:
            failed = ", ".join(facts["failed_gates"])
            return f"do not serve {served} to everybody on the test alone: it failed {failed}; mend that and test again"
        case "ship":
            return f"serve {served} to everybody, then let the loop learn from it: loveloop run"
        case "stop":
            return f"end the experiment and serve arm {facts['control']} to everybody"
        case "invalid":
            return "find why an arm lacks users (assignment, redirects, lost events), then begin under a new name"
    return f"keep serving both arms and read again: loveloop experiment read {facts['name']} --every 1h"


def page(facts: Mapping[str, Any]) -> Iterator[str]:
    """A whole reading, line by line."""
    first, last = (str(facts[name])[:16].replace("T", " ") for name in ("first_exposure", "last_exposure"))
    yield f"experiment {facts['name']}, {first} to {last} UTC"
    yield ""
    yield from table(_arms(facts))
    yield ""
    yield f"effect       {effect(facts['lift'], facts['anytime_ci'])}{_capped(facts)}"
    yield from _deciding(facts)
    for kind in ("guardrails", "watched"):
        for each in facts.get(kind, ()):
            yield f"{kind.removesuffix('s'):<13}{each['words'].removeprefix('guardrail on ')}"
    yield from (f"metric       {metric(each)}" for each in _untold(facts))
    yield f"users        {_balance(facts)}"
    yield f"ledger       {_ledger(facts)}"
    yield f"decision     {verdict(facts)}"
    yield from (f"  - {reason}" for reason in facts["reasons"])
    yield f"next         {facts['next']}"
    if facts.get("reestimate"):
        yield f"from here    {facts['reestimate']['words']}"
    yield from (f"also         {each}" for each in facts.get("notes", ()))
    if facts["told"]:
        yield "note"
        yield from (f"  - {sentence}" for sentence in facts["told"])


def _capped(facts: Mapping[str, Any]) -> str:
    """Why the effect is not that of the Love rates above it: users whose loves pass the plan's cap."""
    rates, cap = [arm["rate"] for arm in facts["arms"]], (facts.get("plan") or {}).get("cap")
    if not cap or facts["lift"] is None or not rates[0] or abs(rates[1] / rates[0] - 1 - facts["lift"]) < 1e-9:
        return ""
    return f", at most {_counted(int(cap), 'love')} of a user counted"


def _deciding(facts: Mapping[str, Any]) -> Iterator[str]:
    """The test that decides, and the same on other sets of users; readings of earlier versions have none."""
    found = facts.get("evidence")
    if not found:
        return
    share = "" if found["information"] is None else f", {found['information']:.0%} of the plan is in"
    yield f"decides      {found['words']}{share}"
    for each in facts["beside"]:
        yield f"             {each['name']}: {each['words']}"


def _untold(facts: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The metrics that no other line tells of."""
    told = {each["name"] for kind in ("guardrails", "watched") for each in facts.get(kind, ())}
    yield from (each for each in facts.get("metrics", ()) if each["name"] != DECIDED and each["title"] not in told)


def _arms(facts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("arm", "policy", "users", "exposures", "loves", "Love rate", "95 % interval")]
    for arm in facts["arms"]:
        low, high = arm["rate_ci"]
        policy = ", ".join(facts["policies"].get(arm["name"], [])) or "-"
        counts = (f"{arm[name]:,}" for name in ("users", "exposures", "loves"))
        known = arm["exposures"] > 0
        rates = (f"{arm['rate']:.3%}", f"{low:.3%} to {high:.3%}") if known else ("not known", "")
        rows.append((arm["name"], policy, *counts, *rates))
    return rows


def _balance(facts: Mapping[str, Any]) -> str:
    seen = ", ".join(f"{arm['name']} {arm['users']:,}" for arm in facts["arms"])
    promised = ", ".join(f"{share:.0%}" for share in facts["shares"].values())
    p = facts["srm_sequential_p"]
    verdict = "not the users that the arms were promised" if facts["decision"] == "invalid" else "as promised"
    return f"{verdict}: {seen} ({promised} promised; sequential p = {p:.2g})"


def _ledger(facts: Mapping[str, Any]) -> str:
    if facts["predicted_lift"] is None:
        return str(facts["ledger_words"])
    low, high = facts["predicted_ci"]
    limits = "" if low is None or high is None else f" ({low:+.1%} to {high:+.1%})"
    return f"{facts['candidate']} was predicted {facts['predicted_lift']:+.1%}{limits}; {facts['ledger_words']}"


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows of cells in columns, the first row the heads."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What a reading says that the one before it did not; empty when nothing that people look at has changed."""
    said = []
    if now["decision"] != before["decision"]:
        said.append(f"decision {verdict(before)} -> {verdict(now)}: {now['reasons'][0]}")
        said.append(f"next: {now['next']}")
    for old, new in zip(before["arms"], now["arms"], strict=True):
        grown = [f"{new[name] - old[name]:+,} {name}" for name in ("exposures", "loves") if new[name] != old[name]]
        if grown:
            said.append(f"{new['name']} {', '.join(grown)} ({new['exposures']:,} exposures, {new['loves']:,} loves)")
    was, is_now = (effect(each["lift"], each["anytime_ci"]) for each in (before, now))
    said += [is_now] if is_now != was else []
    return said + [sentence for sentence in _troubles(now) if sentence not in _troubles(before)]


def _troubles(facts: Mapping[str, Any]) -> list[str]:
    """What was left out, but for exposures: those are few or many with every event that comes."""
    return left_out({**facts, "immature": 0, "aside": 0})
