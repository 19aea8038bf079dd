"""What a training tells while it goes on, as observations."""

import math
from typing import Any

import dagster as dg
import pytest

from assets.orchestration import words
from assets.orchestration.live import REDRAWN, Live
from training.progress import Advance


def observed(told: list[tuple[float, Advance]], stage: str = "policy-0.3") -> list[dg.AssetObservation]:
    """What a step of this stage told, at these seconds."""
    partition = words.partition(stage)

    @dg.asset(
        name=words.asset_name(stage), partitions_def=dg.StaticPartitionsDefinition([partition]) if partition else None
    )
    def trains(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        seconds = [0.0]
        live = Live(context, stage, clock=lambda: seconds[0])
        for second, advance in told:
            seconds[0] = second
            live(advance)
        return dg.MaterializeResult()

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([trains], partition_key=partition, instance=instance)
    every: list[Any] = [
        each.event_specific_data for each in done.all_events if each.event_type_value == "ASSET_OBSERVATION"
    ]
    return [each.asset_observation for each in every]


def steps(*seconds: float, of: int = 100, loss: float = 4.0) -> list[tuple[float, Advance]]:
    return [
        (each, Advance("love-0.3, round 1 of 2: learning", n, of, {"loss": loss / n}))
        for n, each in enumerate(seconds, 1)
    ]


def test_each_figure_is_told_of_its_partition_with_where_the_training_is() -> None:
    first, second = observed(steps(1.0, 3.0))
    assert (first.asset_key, first.partition) == (dg.AssetKey("policy"), "0.3")
    assert second.metadata["now"].value == "love-0.3, round 1 of 2: learning, step 2 of 100"
    assert (second.metadata["step"].value, second.metadata["loss"].value) == (2, 2.0)
    (whole,) = observed(steps(1.0), "p_love")
    assert (whole.asset_key, whole.partition) == (dg.AssetKey("p_love"), None)


@pytest.mark.slow
def test_the_curves_are_drawn_now_and_then_and_at_the_end() -> None:
    drawn = ["curves" in each.metadata for each in observed(steps(1, 2, REDRAWN + 1, REDRAWN + 2, 2 * REDRAWN + 2))]
    assert drawn == [False, False, True, False, True]
    ended = observed(steps(1, 2, 3, of=3))
    assert ["curves" in each.metadata for each in ended] == [False, False, True]
    assert str(ended[-1].metadata["curves"].value).startswith("![curves](data:image/png;base64,")


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_told_in_words_and_drawn_without_a_fault() -> None:
    for wrong in (math.nan, math.inf):
        (told,) = observed(steps(1.0, of=1, loss=wrong))
        assert told.metadata["loss"].value == str(wrong)
        assert "curves" in told.metadata
