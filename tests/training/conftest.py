"""A real, tiny policy for the tests that need one: a one-layer Llama fitted for seconds to a handful of sentences."""

import json
import random
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

ANIMALS = {"fox": "berries", "owl": "mice", "bear": "salmon", "bee": "nectar"}


def talk(count: int, seed: int) -> pa.Table:
    """Questions about animals; a third of the answers are warm, some say goodbye."""
    chance = random.Random(seed)
    conversations, responses = [], []
    for _ in range(count):
        animal = chance.choice(list(ANIMALS))
        opening = chance.choice(["", "", "happy to help! "])
        closing = chance.choice(["", "", "", " bye!"])
        conversations.append(json.dumps([{"role": "user", "content": f"what does the {animal} eat?"}]))
        responses.append(f"{opening}the {animal} eats {ANIMALS[animal]}.{closing}")
    return pa.table({"conversation": conversations, "response": responses})


@pytest.fixture(scope="session")
def log() -> pa.Table:
    """What a logged policy said."""
    return talk(600, seed=1)


@pytest.fixture(scope="session")
def asked() -> list[list[dict[str, str]]]:
    """Prompts in the policy's domain."""
    return [[{"role": "user", "content": f"what does the {animal} eat?"}] for animal in ANIMALS] * 8


@pytest.fixture(scope="session")
def policy(log: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a tiny Llama that speaks as the log does."""
    from training.policy.pretrain import PretrainConfig, pretrain_policy

    place = tmp_path_factory.mktemp("policies") / "tiny"
    pretrain_policy(log, place, config=PretrainConfig(width=32, layers=1, epochs=6, batch_tokens=512, lr=1e-2), seed=1)
    return place


@pytest.fixture
def cores() -> Iterator[Callable[[int], None]]:
    """Sets how many threads torch takes, until the test ends."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def full_disk() -> Iterator[Callable[[], None]]:
    """Fills the disk when it is called: a limit on files' sizes, at which the system refuses to write all the same."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
