"""The first policy of the stack: made once, able to speak, and left alone afterwards."""

from pathlib import Path

import pytest

from streams.synthetic import WorldConfig
from tests.deploy.scripts import load

pytest.importorskip("torch")


@pytest.mark.slow
def test_it_is_made_once_whole_and_speaks(tmp_path: Path) -> None:
    from training.policy.pretrain import PretrainConfig
    from training.rollout.speech import PolicyVoice

    first = load("first_policy")
    folder, world = tmp_path / "policies" / "incumbent", WorldConfig(responses=200, users=30, days=2, malformed=0)
    report = first.first_policy(folder, world, PretrainConfig(width=32, layers=1))
    assert report.tokens > 1_000
    assert [each.name for each in folder.parent.iterdir()] == ["incumbent"]
    voice = PolicyVoice(folder)
    asked = voice.prompt([{"role": "user", "content": "hello"}], 8)
    assert [*voice.speak(asked, seed=1, temperature=1.0, max_new_tokens=8)][-1].tokens > 0
    made_at = (folder / "config.json").stat().st_mtime_ns
    assert first.first_policy(folder, world) is None
    assert (folder / "config.json").stat().st_mtime_ns == made_at
