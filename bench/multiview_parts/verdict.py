"""Figures of several seeds with their intervals, and whether the trunk of two views is kept."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rluf_parts.table import student

TRUNKS, REAL = ("plain", "multiview"), ("convai", "hh_harmless")


def over_seeds(single: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A set's figures.

    Args:
        single: Of each seed: both trunks' figures, their operations, and what else is told.
    """
    values = {name: [float(each[name]) for each in single] for name in TRUNKS}
    values["difference"] = [two - one for one, two in zip(values["plain"], values["multiview"], strict=True)]
    costs = {f"flops_{name}": float(np.mean([each[f"flops_{name}"] for each in single])) for name in TRUNKS}
    return {name: _figure(each) for name, each in values.items()} | costs | {"seeds": list(single)}


def kept(found: Mapping[str, Any]) -> bool:
    """Whether the difference is above 0 for certain on the world and on both real sets.

    >>> won, open_ = {"difference": {"low": 0.01}}, {"difference": {"low": -0.01}}
    >>> kept({"world": won, "convai": won, "hh_harmless": won}), kept({"world": won, "convai": won}), kept(
    ...     {"world": won, "convai": open_, "hh_harmless": won}
    ... )
    (True, False, False)
    """
    lows = [found.get(name, {}).get("difference", {}).get("low") for name in ("world", *REAL)]
    return all(low is not None and low > 0 for low in lows)


def _figure(values: Sequence[float]) -> dict[str, Any]:
    low, high = student([*values]) or (None, None)
    return {"value": float(np.mean(values)), "low": low, "high": high, "by_seed": list(values)}


def lines(found: Mapping[str, Any]) -> list[str]:
    """The table as a person reads it."""
    told = []
    for name, each in found.items():
        if "skipped" in each:
            told.append(f"{name}: skipped, {each['skipped']}")
            continue
        told += [f"{name:12} {key:11} {_words(each[key])}" for key in (*TRUNKS, "difference")]
        costs = ", ".join(f"{key} {each[f'flops_{key}']:.4g}" for key in TRUNKS)
        told.append(f"{name:12} operations  {costs}")
    return [*told, f"kept: {kept(found)}"]


def shown(single: Mapping[str, Any]) -> str:
    """One seed's line."""
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in single.items()
    )


def _words(each: Mapping[str, Any]) -> str:
    span = "" if each["low"] is None else f" [{each['low']:.3f}, {each['high']:.3f}]"
    return f"{each['value']:.3f}{span}"
