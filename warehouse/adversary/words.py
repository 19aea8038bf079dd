"""The evidence of a flag as a sentence, for people who decide on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_SENTENCES: Final = {
    "rate_per_user": "{loves_within_the_hour:,} loves within an hour, of {shown_in_the_sitting:,} shown in the sitting",
    "love_streak": "loved {loves:,} of {shown:,} responses shown on that day, up to its worst moment",
    "faster_than_reading": "reacted after {ms:,.0f} ms; a fast reader needs {least_ms:,.0f} ms for a part of it",
    "not_shown_to_user": "reacted to a response that was shown to {shown_to_users} others and never to this user",
    "dictated": "{said_first} of {runs_of_four} runs of four words (of {words} words in all) were the user's own",
    "repeated_exchange": "loved the same question and answer {times_loved} times on that day; this is number {place}",
    "replayed": "told again under a fresh id: an earlier reaction has the same session and the same {dwell_ms:,} ms",
    "device_crowd": "one of {users_on_the_device} users who gave loves from that device on one day",
    "network_crowd": "of {users_who_love} users who loved anything from that network on that day, one of "
    "{users_who_love_half} who loved half of what they were shown or more: {loves} of {shown}",
    "loves_too_much": "loved {loves:,} of {exposures:,} responses ({loved}), where others would have loved "
    "{expected:.2g}; evidence e^{log_e:.1f}, line e^{line:.1f}",
    "loves_everything": "loved {loves:,} of {exposures:,} responses, where others would have loved {expected:.2g}",
    "lockstep": "{matched_loves} loves came together with those of others, by {matched_on}, from {from} to {to}",
    "dense_block": "{loves_inside} loves in a block of users and {objects} objects that is {g:.2f} dense (line "
    "{line:.2f}), from {from} to {to}",
}


def in_words(rule: str, evidence: Mapping[str, Any]) -> str:
    """One sentence; of a rule that is not known here, its evidence as it stands.

    >>> in_words("love_streak", {"loves": 12, "shown": 13})
    'loved 12 of 13 responses shown on that day, up to its worst moment'
    >>> in_words("somebody's own", {"loves": 12})
    'loves: 12'
    """
    plain = {name: _list(value) if isinstance(value, list) else value for name, value in evidence.items()}
    try:
        return _SENTENCES[rule].format(**plain)
    except (KeyError, ValueError, TypeError):  # another version's evidence
        return "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in plain.items())


def _list(values: list[Any]) -> str:
    return ", ".join(str(value) for value in values)
