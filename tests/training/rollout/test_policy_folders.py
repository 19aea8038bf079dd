"""Policies in folders: found as they come, read once, anew when another takes the place, and few kept in memory."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.slow


def test_a_policy_that_is_staged_later_is_found_and_an_unknown_name_says_what_there_is(
    policy: Path, tmp_path: Path
) -> None:
    from training.rollout.policy_folders import PolicyFolders

    folders = PolicyFolders(lambda: {each.name: each for each in sorted(tmp_path.iterdir())}, lambda place: place.name)
    with pytest.raises(LookupError, match="speaks for none"):
        folders.policy()
    shutil.copytree(policy, tmp_path / "v7")
    assert (folders.policy().name, folders.policy("v7").digest) == ("v7", "v7")
    assert folders.policy("v7").voice is folders.policy().voice
    with pytest.raises(LookupError, match="model == 'v8', this server speaks for 'v7'"):
        folders.policy("v8")
    shutil.copytree(policy, tmp_path / "v8")
    assert [(each.name, each.voice is None) for each in folders.listed()] == [("v7", False), ("v8", True)]


def test_another_folder_under_the_same_name_is_read_anew(policy: Path, tmp_path: Path) -> None:
    from training.rollout.policy_folders import PolicyFolders

    shutil.copytree(policy, tmp_path / "v7")
    digests = iter(["first", "second"])
    folders = PolicyFolders(lambda: {"v7": tmp_path / "v7"}, lambda _: next(digests))
    before = folders.policy("v7")
    shutil.copytree(policy, tmp_path / "other")
    (tmp_path / "v7").rename(tmp_path / "old")
    (tmp_path / "other").rename(tmp_path / "v7")
    after = folders.policy("v7")
    assert (before.digest, after.digest) == ("first", "second")
    assert after.voice is not before.voice
    shutil.rmtree(tmp_path / "v7")
    assert folders.listed() == []
    with pytest.raises(LookupError):
        folders.policy("v7")


def test_the_policy_that_was_asked_for_longest_ago_makes_room(policy: Path) -> None:
    from training.rollout.policy_folders import PolicyFolders

    folders = PolicyFolders(lambda: {f"v{number}": policy for number in range(6)}, lambda _: None)
    for number in (0, 1, 2, 3, 0, 4):
        folders.policy(f"v{number}")
    assert [each.name for each in folders.listed() if each.voice is not None] == ["v0", "v2", "v3", "v4"]
