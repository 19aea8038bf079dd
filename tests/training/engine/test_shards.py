"""A rank's part of a kept state that the disk has spoilt."""

from pathlib import Path

import pytest
import torch

from training.engine.state_folder import LATEST, forget, read_shard


@pytest.mark.parametrize("content", [b"", b"junk" * 50, None])
def test_a_damaged_shard_is_told_with_its_name(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "rank-1.pt"
    torch.save({"layout": {}}, file)
    assert read_shard(file) == ({"layout": {}}, None)
    file.write_bytes(file.read_bytes()[:300] if content is None else content)
    found, problem = read_shard(file)
    assert found is None
    assert problem is not None
    assert problem.startswith("rank-1.pt: ")


def test_a_state_with_a_damaged_shard_is_dropped_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state-b").mkdir()
    (tmp_path / "state-b" / "rank-0.pt").write_bytes(b"whole")
    (tmp_path / LATEST).write_text("state-b")
    forget(tmp_path, "rank-1.pt: cut short")
    assert [*tmp_path.iterdir()] == []
    assert "state-b is damaged (rank-1.pt: cut short): it was dropped" in capsys.readouterr().err
