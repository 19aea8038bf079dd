"""Curves that TensorBoard reads, read back from the files as it reads them."""

import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event

from training.curves import Curves
from training.progress import Advance


def figures(file: Path) -> list[tuple[str, int, float]]:
    """Tags, steps and values of an event file: records of length, checksum, content, checksum."""
    content, at, found = file.read_bytes(), 0, []
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        event = Event.FromString(content[at + 12 : at + 12 + length])
        found += [(each.tag, event.step, round(each.simple_value, 4)) for each in event.summary.value]
        at += length + 16
    return found


def test_each_thing_that_is_trained_has_its_folder_with_every_figure_of_every_step(tmp_path: Path) -> None:
    with Curves(tmp_path / "curves") as curves:
        curves(Advance("p_love: training", 1, 2, {"loss": 0.5}))
        curves(Advance("love-0.3, round 1 of 2", 1, 1, {"love reward": 0.25, "loss": 2.0}))
        curves(Advance("p_love: training", 2, 2, {"loss": 0.25}))
    folders = {each.name: each for each in (tmp_path / "curves").iterdir()}
    assert set(folders) == {"p_love-training", "love-0.3-round-1-of-2"}
    (file,) = folders["p_love-training"].iterdir()
    assert figures(file) == [("loss", 1, 0.5), ("loss", 2, 0.25)]
    (file,) = folders["love-0.3-round-1-of-2"].iterdir()
    assert figures(file) == [("love_reward", 1, 0.25), ("loss", 1, 2.0)]
