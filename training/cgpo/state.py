"""The state after each round, from which an interrupted optimisation goes on as if it had not been interrupted."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from training.cgpo.report import RoundReport


class Progress(NamedTuple):
    """What a finished round leaves to the next.

    Attributes:
        round: Rounds done.
        cursor: Prompts of each task that were used; the next round starts there.
        reports: One for each round done.
    """

    round: int
    cursor: int
    reports: list[RoundReport]


def save(file: Path, key: str, model: Any, optimiser: torch.optim.Optimizer, progress: Progress) -> None:
    """Write the state beside its final name, then rename it: it is there whole, or the previous one is."""
    content = {
        "key": key,
        "weights": {name: each.detach() for name, each in _trained(model).items()},
        "optimiser": optimiser.state_dict(),
        "rng": torch.get_rng_state(),
        "round": progress.round,
        "cursor": progress.cursor,
        "reports": [report.model_dump_json() for report in progress.reports],
    }
    part = file.with_name(f"{file.name}.part")
    torch.save(content, part)
    part.replace(file)


def resume(file: Path, key: str, model: Any, optimiser: torch.optim.Optimizer) -> Progress:
    """Bring model, optimiser and chance to where a state of the same key left them; without one, the start."""
    if not file.exists():
        return Progress(0, 0, [])
    content = torch.load(file, weights_only=True)
    if content["key"] != key:
        return Progress(0, 0, [])
    with torch.no_grad():
        for name, each in _trained(model).items():
            each.copy_(content["weights"][name])
    optimiser.load_state_dict(content["optimiser"])
    torch.set_rng_state(content["rng"])
    reports = [RoundReport.model_validate_json(each) for each in content["reports"]]
    return Progress(content["round"], content["cursor"], reports)


def _trained(model: Any) -> dict[str, torch.Tensor]:
    return {name: each for name, each in model.named_parameters() if each.requires_grad}
