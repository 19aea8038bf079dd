"""The real vLLM server, on the CPU: it starts once for this file (about a minute), and twice more where it must.

Skipped, with the reason, where its environment is not there; `make vllm` makes it.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner

from assets.cli import vllm as command
from training import pretrained
from training.cgpo.config import CgpoConfig
from training.cgpo.loop import optimise
from training.cgpo.tasks import Task
from training.policy.batches import encode_prompts
from training.policy.load import Policy, ends_of, load_policy
from training.rollout.client import RolloutServerError, UnknownModelError, VllmClient
from training.rollout.config import RolloutsConfig, environment_of, missing
from training.rollout.generator import Draw, Sample, version_of
from training.rollout.launch import ServerShape
from training.rollout.policy_source import VllmSpeaker
from training.rollout.server import GivenServer, VllmServer
from training.rollout.store import RolloutStore
from training.rollout.vllm import VllmGenerator
from training.rollout.watchdog import PolicyMismatchError, read, watch
from training.rollout.wire import Request as Ask
from training.rollout.wire import ServedSample

LACKING = missing(environment_of())
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.skipif(bool(LACKING), reason=LACKING)]

Prompts = list[list[dict[str, str]]]
CONFIG = RolloutsConfig(engine="vllm", concurrency=200, cache_gib=1)
SHAPE = ServerShape("float32", context=96, lora_rank=4, tokens_only=True)


class Served(NamedTuple):
    """The file's server, the policy that it serves, and adapters for it by name."""

    server: VllmServer
    base: Path
    version: str
    adapters: dict[str, Path]


@pytest.fixture(scope="module")
def served(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("vllm")
    sizes = {"fox-r1@aaa": (4, 1), "fox-r2@bbb": (4, 2), "wide@ccc": (64, 3)}
    adapters = {name: adapter(policy, place / name, rank, seed) for name, (rank, seed) in sizes.items()}
    with VllmServer(place, SHAPE, CONFIG) as server:
        server.serve(policy, version_of(policy))
        for name in ("fox-r1@aaa", "fox-r2@bbb"):
            server.load(name, adapters[name])
        yield Served(server, policy, version_of(policy), adapters)
        group = server.pid
    assert members(group) == []


def adapter(base: Path, place: Path, rank: int, seed: int) -> Path:
    """An adapter that changes what the base says."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    shape = LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(load_policy(base).model, shape)
    with torch.no_grad():
        for name, each in model.named_parameters():
            if "lora_B" in name:
                each.normal_(0, 0.1)
    pretrained.save(place, model, load_policy(base).tokenizer)
    return place


def members(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for each in psutil.process_iter(["pid", "status"]):
        try:
            if os.getpgid(each.pid) == group and each.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(each.pid)
        except ProcessLookupError:
            pass
    return found


def speaks(served: Served, version: str | None = None, policy: Policy | None = None) -> VllmGenerator:
    made = policy or load_policy(served.base)
    return VllmGenerator(served.server, version or served.version, made.tokenizer, sorted(ends_of(made)))


def flat(drawn: list[list[Sample]]) -> list[Sample]:
    return [sample for several in drawn for sample in several]


def ids(drawn: list[list[Sample]]) -> list[list[int]]:
    return [sample.token_ids.tolist() for sample in flat(drawn)]


def largest_difference(drawn: list[list[Sample]], asked: Prompts, trainer: Policy) -> float:
    prompts = encode_prompts(trainer.tokenizer, asked, 512)
    pairs = [(prompt, each) for prompt, several in zip(prompts, drawn, strict=True) for each in several]
    own = np.concatenate([each.logprobs for _, each in pairs])
    return float(np.abs(own - read(trainer, pairs)).max())


def test_the_servers_log_probabilities_are_those_of_transformers(served: Served, asked: Prompts) -> None:
    drawn = speaks(served).sample(asked, samples=4, seed=1, max_new_tokens=16)
    assert [len(several) for several in drawn] == [4] * len(asked)
    assert {sample.policy_version for sample in flat(drawn)} == {served.version}
    assert largest_difference(drawn, asked, load_policy(served.base)) < 1e-4
    ends = ends_of(load_policy(served.base))
    assert np.mean([sample.token_ids[-1] in ends for sample in flat(drawn)]) > 0.8  # the end token is among them
    assert len({sample.text for sample in flat(drawn)}) > 4
    named = [
        talk[0]["content"].split()[3] in each.text for talk, some in zip(asked, drawn, strict=True) for each in some
    ]
    assert np.mean(named) > 0.8


def test_two_adapters_are_told_apart_and_agree_with_their_merged_models(served: Served, asked: Prompts) -> None:
    both = {name: load_policy(served.adapters[name]) for name in ("fox-r1@aaa", "fox-r2@bbb")}
    drawn = {name: speaks(served, name).sample(asked, samples=2, seed=1, max_new_tokens=16) for name in both}
    for name, merged in both.items():
        assert {sample.policy_version for sample in flat(drawn[name])} == {name}
        assert largest_difference(drawn[name], asked, merged) < 1e-4
    assert largest_difference(drawn["fox-r1@aaa"], asked, both["fox-r2@bbb"]) > 0.05


def test_the_same_seed_draws_the_same_and_another_seed_does_not(served: Served, asked: Prompts) -> None:
    first, again = (speaks(served).sample(asked[:8], samples=4, seed=7, max_new_tokens=16) for _ in range(2))
    other = speaks(served).sample(asked[:8], samples=4, seed=8, max_new_tokens=16)
    assert ids(first) == ids(again)
    assert ids(first) != ids(other)


def test_at_temperature_0_every_sample_is_the_likeliest_one(served: Served, asked: Prompts) -> None:
    drawn = speaks(served).sample(asked[:4], samples=3, seed=1, temperature=0, max_new_tokens=16)
    assert [len({sample.text for sample in several}) for several in drawn] == [1] * 4
    assert [len(several) for several in drawn] == [3] * 4


def test_200_seeded_requests_at_once_are_answered(served: Served, asked: Prompts) -> None:
    many = (asked * 7)[:200]
    drawn = speaks(served).sample(many, samples=2, seed=3, max_new_tokens=12)
    assert sum(len(several) for several in drawn) == 400
    assert served.server.alive()


def test_a_version_that_nobody_loaded_is_unknown_and_the_error_names_what_is_served(
    served: Served, asked: Prompts
) -> None:
    with pytest.raises(UnknownModelError, match=rf"serves .*{served.version}.*, not 'fox-r9@zzz'"):
        speaks(served, "fox-r9@zzz").sample(asked[:1], samples=1, seed=1)
    ask = {0: Ask([3, 5], 1, 1, 1.0, 4, (2,))}
    with pytest.raises(UnknownModelError, match="serves no model 'fox-r9@zzz'"):
        served.server.client.complete("fox-r9@zzz", ask, {})


def test_a_server_with_another_model_is_refused(served: Served) -> None:
    given = GivenServer(served.server.client.url)
    given.serve(served.base, served.version)
    with pytest.raises(UnknownModelError, match="--served-model-name incumbent@123"):
        given.serve(served.base, "incumbent@123")


def test_an_adapter_with_too_large_a_rank_is_refused_and_the_server_lives_on(served: Served, asked: Prompts) -> None:
    with pytest.raises(RolloutServerError, match=r"rank 64 is greater .* start the server with --max-lora-rank"):
        served.server.load("wide@ccc", served.adapters["wide@ccc"])
    assert "wide@ccc" not in served.server.client.models()
    assert len(speaks(served).sample(asked[:1], samples=1, seed=1)) == 1


def test_an_adapter_is_never_replaced_under_its_name(served: Served) -> None:
    with pytest.raises(RolloutServerError, match=r"already been loaded.* is never replaced"):
        served.server.client.load("fox-r1@aaa", str(served.adapters["fox-r2@bbb"]))
    stranger = GivenServer(served.server.client.url)
    with pytest.raises(RolloutServerError, match="serves 'fox-r1@aaa' from"):
        stranger.load("fox-r1@aaa", served.adapters["fox-r2@bbb"])


def test_an_adapter_that_is_not_there_is_named(served: Served, tmp_path: Path) -> None:
    with pytest.raises(RolloutServerError, match="did not load the adapter gone@1 from"):
        served.server.load("gone@1", tmp_path / "gone")


def test_a_prompt_longer_than_the_context_is_refused_before_anything_is_drawn(served: Served) -> None:
    long = [[{"role": "user", "content": "what does the fox eat? " * 40}]]
    with pytest.raises(ValueError, match=r"1 of 1 prompts do not fit: the longest has \d+ tokens.* context of 96"):
        speaks(served).sample(long, samples=1, seed=1)
    assert len(speaks(served).sample(long, samples=1, seed=1, longest=48)) == 1  # its end is read


def test_the_watchdog_confirms_the_weights_that_are_served(served: Served) -> None:
    for name in (served.version, "fox-r1@aaa"):
        place = served.adapters.get(name, served.base)
        found = watch(speaks(served, name), load_policy(place))
        assert found.version == name
        assert found.tokens > 50
        assert found.mean <= found.largest < 1e-4


def test_a_stale_server_trips_the_watchdog_and_both_versions_are_named(served: Served) -> None:
    trainer = load_policy(served.adapters["fox-r2@bbb"])
    with pytest.raises(PolicyMismatchError, match=r"server's fox-r1@aaa is not the trainer's fox-r2@bbb.*run again"):
        watch(speaks(served, "fox-r1@aaa"), trainer, trained="fox-r2@bbb")


def test_a_trainer_that_computes_no_numbers_trips_the_watchdog(served: Served) -> None:
    trainer = load_policy(served.base)
    with torch.no_grad():
        next(iter(trainer.model.parameters())).fill_(float("nan"))
    with pytest.raises(PolicyMismatchError, match="nan nats"):
        watch(speaks(served), trainer)


def test_a_server_that_does_not_answer_in_time_trips_the_watchdog(served: Served) -> None:
    with pytest.raises(TimeoutError, match=r"did not answer the watchdog's 32 samples within 0\.001 s"):
        watch(speaks(served), load_policy(served.base), seconds=0.001)


class Happy:
    """Rewards a phrase."""

    def logits(self, _: list[Any], responses: list[str]) -> np.ndarray:
        return np.array([3.0 * ("happy" in text) for text in responses])


def test_a_lora_policy_is_optimised_from_a_given_servers_samples(
    served: Served, asked: Prompts, tmp_path: Path
) -> None:
    config = CgpoConfig(rounds=3, prompts=8, samples=4, max_new_tokens=16, batch=8, tuning="lora", lora_rank=4, lr=1e-2)
    given = RolloutsConfig(engine="vllm", url=served.server.client.url)
    before = set(served.server.client.models())
    with VllmSpeaker(served.base, tmp_path / "vllm", given, lora_rank=4, context=96) as speaker:
        task = Task("love", asked, Happy(), 1.0, reward_version="happy")
        report = optimise(
            served.base, tmp_path / "love", tasks=[task], judges={}, config=config, speaker=speaker,
            rollouts=tmp_path / "kept",
        )  # fmt: skip
    seen = [json.loads(line) for line in (tmp_path / "vllm" / "watchdog.ndjson").read_text().splitlines()]
    assert [each["version"] for each in seen] == [each.policy for each in report.rounds]
    assert max(each["largest"] for each in seen) < 1e-4
    kept = [pq.read_table(file, columns=["logprobs"])["logprobs"] for file in (tmp_path / "kept").glob("*.parquet")]
    assert len(kept) == 4  # a0 and three rounds
    assert all(column.null_count == len(column) for column in kept)  # the server was spared them
    assert abs(report.rounds[-1].tasks[0].log_ratio) > 1e-3  # the trainer read what it learns from
    assert report.rounds[-1].tasks[0].sampled["love"] > report.rounds[0].tasks[0].sampled["love"]
    assert set(served.server.client.models()) - before == {each.policy for each in report.rounds[1:]}
    for name in {each.policy for each in report.rounds[1:]}:
        served.server.client.unload(name)


def test_the_command_checks_a_server_by_hand(served: Served) -> None:
    url = served.server.client.url
    right = CliRunner().invoke(command.vllm, ["check", url, str(served.base)])
    assert right.exit_code == 0, right.output
    assert f"{served.version}: the same weights" in right.output
    wrong = CliRunner().invoke(command.vllm, ["check", url, str(served.adapters["fox-r2@bbb"]), "--name", "fox-r1@aaa"])
    assert isinstance(wrong.exception, PolicyMismatchError)


class Dying(VllmClient):
    """A client whose server is killed after the fifth answer; it keeps which prompts were asked, call by call."""

    def __init__(self, url: str, kill: Callable[[], None], look: Callable[[], None]) -> None:
        super().__init__(url, concurrency=2, look=look)
        self.kill, self.asked, self.answers = kill, list[list[int]](), 0

    def complete(
        self,
        model: str,
        requests: Mapping[int, Ask],
        into: MutableMapping[int, list[ServedSample]],
        *,
        seconds: float | None = None,
        done: Callable[[int], object] = lambda _: None,
    ) -> None:
        def answered(number: int) -> None:
            done(number)
            self.answers += 1
            if self.answers == 5:
                self.kill()

        self.asked.append(sorted(requests))
        super().complete(model, requests, into, seconds=seconds, done=answered)


def test_a_server_that_dies_in_the_middle_is_started_again_and_nothing_is_drawn_twice(
    served: Served, asked: Prompts, tmp_path: Path
) -> None:
    server, store, how = served.server, RolloutStore(tmp_path), Draw(2, 5, 1.0, 8)
    group, plain, starts = server.pid, server.client, server.starts
    who = speaks(served, "fox-r1@aaa")
    first = store.rollouts(who, asked[:3], how)
    (killed,) = psutil.Process(server.pid).children()
    dying = Dying(plain.url, killed.kill, server.check)
    server.client = dying
    try:
        assert ids(store.rollouts(who, asked[:3], how).samples) == ids(first.samples)  # read back
        assert dying.asked == []
        second = store.rollouts(who, asked[:24], how)
    finally:
        server.client = plain
    assert server.starts == starts + 1
    assert members(group) == []
    assert dying.asked[0] == list(range(24))
    assert 0 < len(dying.asked[1]) <= 24 - 5
    assert dying.answers == 24  # every prompt once
    assert largest_difference(second.samples, asked[:24], load_policy(served.adapters["fox-r1@aaa"])) < 1e-4


def test_fully_trained_weights_are_served_by_a_new_start_and_nothing_is_left_of_the_old(
    served: Served, tmp_path: Path
) -> None:
    server, group = served.server, served.server.pid
    trained = load_policy(served.adapters["fox-r2@bbb"])  # merged: all weights moved
    speaker = VllmSpeaker(served.base, tmp_path, CONFIG, lora_rank=None, context=96)
    speaker._server = server  # the file's, to spare a start
    talk: Prompts = [[{"role": "user", "content": "what does the bee eat?"}]]
    drawn = speaker.policy(trained, "fox-r3@ddd").sample(talk, samples=2, seed=1)
    assert {sample.policy_version for sample in flat(drawn)} == {"fox-r3@ddd"}
    assert set(server.client.models()) == {"fox-r3@ddd"}
    assert members(group) == []
    assert json.loads((tmp_path / "watchdog.ndjson").read_text())["largest"] < 1e-4


OWNER = """
import sys
from pathlib import Path
from training.rollout.config import RolloutsConfig
from training.rollout.launch import ServerShape
from training.rollout.server import VllmServer
server = VllmServer(Path(sys.argv[1]), ServerShape("float32", 96), RolloutsConfig(engine="vllm", cache_gib=1))
server.serve(sys.argv[2], "orphan")
"""


def test_no_server_outlives_an_owner_that_is_killed_while_it_starts(policy: Path, tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path), str(policy)])
    try:
        group = waited(lambda: next((each.pid for each in psutil.Process(owner.pid).children()), 0))
        waited(lambda: len(members(group)) > 3)  # keeper, server, and what the server starts for its engine
    finally:
        owner.kill()
        owner.wait()
    waited(lambda: not members(group))


def waited(look: Callable[[], Any], seconds: float = 240.0) -> Any:
    """What it returns when that is true at last."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing in {seconds:g} s")
