import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training.judges.library import version_of
from training.judges.llm import LlmJudge, llm
from training.labels import server

Serve = Callable[..., Any]
ASKED = [{"role": "user", "content": "What is tea?"}]
QUESTION = "Does the answer name a price?"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FIRST_WAIT", 0.01)


def priced(answer: str, _: int) -> dict[str, float]:
    return {"Yes": 0.7, " yes": 0.1, "No": 0.2} if "$" in answer else {"no": 0.9, "Yes": 0.05, "It": 0.01}


def judge(seen: Any, **changes: Any) -> LlmJudge:
    return llm(**({"url": seen.url, "model": "tiny-judge", "question": QUESTION} | changes))


TEXTS = [f"It costs ${place}." if place % 3 == 0 else f"It is drink number {place}." for place in range(40)]


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_the_two_words_are_weighed_against_each_other(serve: Serve, api: str) -> None:
    seen = serve(priced)
    verdicts = judge(seen, api=api).judge_all([ASKED] * 40, TEXTS)
    assert [each.violates for each in verdicts] == ["$" in text for text in TEXTS]
    assert verdicts[0].reason == f"tiny-judge says yes (0.80) to: {QUESTION}"
    assert len(seen.requests) == (40 if api == "chat" else 3)
    assert seen.requests[0]["max_tokens"] == 1
    assert QUESTION in str(seen.requests[0])


def test_the_threshold_decides(serve: Serve) -> None:
    seen = serve(priced)
    assert not judge(seen, threshold=0.85)(ASKED, "$5").violates
    assert judge(seen, threshold=0.75)(ASKED, "$5").violates


def test_equal_pairs_are_asked_about_once_and_with_a_cache_never_again(serve: Serve, tmp_path: Path) -> None:
    seen, cache = serve(priced), tmp_path / "kept" / "prices.ndjson"
    first = judge(seen, cache=cache)
    found = first.judge_all([ASKED] * 4, ["$1", "$1", "tea", "$1"])
    assert len(seen.requests) == 2
    assert first.judge_all([ASKED] * 3, ["tea", "$1", "$2"])[1] == found[0]
    assert len(seen.requests) == 3
    assert judge(seen, cache=cache).judge_all([ASKED] * 4, ["$1", "$1", "tea", "$1"]) == found
    assert len(seen.requests) == 3
    assert "tea" not in cache.read_text()
    judge(seen, cache=cache, question="Is it rude?")(ASKED, "$1")
    assert len(seen.requests) == 4


@pytest.mark.slow
def test_a_server_that_dies_is_told_and_what_was_answered_is_kept(serve: Serve, tmp_path: Path) -> None:
    def dies(answer: str, number: int) -> Any:
        return priced(answer, number) if number < 10 else (503, "out of memory")

    cache, broken = tmp_path / "cache.ndjson", serve(dies)
    with pytest.raises(ConnectionError, match=r"answered 503 \(out of memory\).*tried 7 times"):
        judge(broken, cache=cache, concurrency=1).judge_all([ASKED] * 40, TEXTS)
    assert len(cache.read_text().splitlines()) == 10
    again = serve(priced)
    verdicts = judge(again, cache=cache).judge_all([ASKED] * 40, TEXTS)
    assert [each.violates for each in verdicts] == ["$" in text for text in TEXTS]
    assert len(again.requests) == 30


def test_passing_faults_are_tried_again(serve: Serve) -> None:
    seen = serve(lambda answer, number: priced(answer, number) if number % 2 else (429, "slow down"))
    verdicts = judge(seen, concurrency=1).judge_all([ASKED] * 6, TEXTS[:6])
    assert [each.violates for each in verdicts] == ["$" in text for text in TEXTS[:6]]
    assert len(seen.requests) == 12


@pytest.mark.slow
def test_a_slow_answer_is_given_up_and_asked_again(serve: Serve) -> None:
    ended = threading.Event()

    def slow(answer: str, number: int) -> dict[str, float]:
        if number == 1:
            ended.wait(60)
        return priced(answer, number)

    seen = serve(slow)
    try:
        verdicts = judge(seen, concurrency=1, timeout_seconds=2.0).judge_all([ASKED] * 3, TEXTS[:3])
    finally:
        ended.set()
    assert [each.violates for each in verdicts] == [True, False, False]
    assert len(seen.requests) >= 4


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_a_pair_that_is_refused_is_not_learnt_from_and_the_others_are_judged(serve: Serve, api: str) -> None:
    def strict(answer: str, number: int) -> Any:
        return (400, "too long") if answer == TEXTS[1] else priced(answer, number)

    verdicts = judge(serve(strict), api=api).judge_all([ASKED] * 6, TEXTS[:6])
    assert [each.violates for each in verdicts] == [True, True, False, True, False, False]
    assert "was refused" in verdicts[1].reason
    assert "too long" in verdicts[1].reason


def test_a_model_that_says_neither_word_is_given_up(serve: Serve) -> None:
    seen = serve(lambda *_: {"Let": 0.9, "Well": 0.05})
    with pytest.raises(ValueError, match=r"6 answers of tiny-judge at 127.* it began with 'Let'.*says yes or no"):
        judge(seen).judge_all([ASKED] * 40, TEXTS)


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_the_check_asks_for_models_and_one_easy_answer(serve: Serve, api: str) -> None:
    seen = serve(priced)
    judge(seen, api=api).check()
    assert seen.answers == ["Two plus two is four."]
    with pytest.raises(ValueError, match=r"model == 'large', but http.* serves tiny-judge"):
        judge(seen, api=api, model="large").check()
    with pytest.raises(ValueError, match=r"asked for one word, yes or no, and began with 'Hm'"):
        judge(serve(lambda *_: {"Hm": 0.9}), api=api).check()
    with pytest.raises(ConnectionError, match=r"http://127.0.0.1:1/v1/models: ConnectError.*tried once"):
        llm(url="http://127.0.0.1:1", model="m", question=QUESTION).check()


def test_a_model_that_is_taken_away_is_told_with_the_place_in_the_recipe(serve: Serve) -> None:
    with pytest.raises(ValueError, match=r"answered 404 \(the model gone.*look at the llm judge's settings"):
        judge(serve(priced), model="gone")(ASKED, "tea")


def test_a_missing_key_and_a_wrong_address_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRICE_KEY", raising=False)
    with pytest.raises(ValueError, match="api_key_env == 'PRICE_KEY', but no such environment variable is set"):
        llm(url="http://127.0.0.1:1", model="m", question=QUESTION, api_key_env="PRICE_KEY").check()
    with pytest.raises(ValueError, match="url must begin with http"):
        llm(url="127.0.0.1:8000", model="m", question=QUESTION)


def test_what_decides_is_in_the_version_and_where_it_is_asked_is_not() -> None:
    def version(**changes: Any) -> str:
        return version_of(llm(**({"url": "http://127.0.0.1:1", "model": "m", "question": QUESTION} | changes)))

    assert version() == version(url="http://127.0.0.1:2", concurrency=3)
    assert len({version(), version(model="n"), version(question="Is it rude?"), version(threshold=0.7)}) == 4
