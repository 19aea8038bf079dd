import pytest

from training.engine.steps import MARK, SAID, last_words, tell_from_first


def test_what_a_rank_fails_of_is_one_line_of_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="must be finite"), last_words():
        raise ValueError("the reward is nan,\n  must be finite")
    assert capsys.readouterr().out == f"{SAID}the reward is nan, must be finite\n"
    with pytest.raises(KeyError), last_words():
        raise KeyError
    assert capsys.readouterr().out == f"{SAID}KeyError\n"


def test_rank_0_speaks_for_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        tell_from_first("round 1 of 2")
    assert capsys.readouterr().out == f"{MARK}round 1 of 2\n"
