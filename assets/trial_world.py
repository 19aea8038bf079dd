"""The world of a recipe's simulated A/B test."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from assets.recipe import ExperimentSection

if TYPE_CHECKING:
    from streams.synthetic.studies.trial_world import TrialWorld

_DIALS: Final = ("days", "activity_sigma", "taste_sigma", "late", "attacks", "social")


def trial_world(wanted: ExperimentSection) -> "TrialWorld":
    """How the simulated test goes; what the recipe has no setting for is as in the synthetic world.

    Raises:
        ValidationError: No such attack or dial of friends, or attacks that one test cannot suffer together.
    """
    from streams.synthetic.studies.trial_world import TrialWorld

    return TrialWorld.model_validate({name: getattr(wanted, name) for name in _DIALS})


def keep_attackers(accounts: Mapping[str, str], file: Path) -> None:
    """Keep which accounts (attack by user) were attackers' own as a Parquet file; nothing where there are none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file.unlink(missing_ok=True)
    if accounts:
        pq.write_table(pa.table({"user_id": [*accounts], "attack": [*accounts.values()]}), file)
