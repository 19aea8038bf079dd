"""A bundle is known again by its bytes, an adapter's base among them, and served with the weights of its card alone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from assets.cli import group
from assets.experiment import bundles
from training.policy import decoding
from training.policy.load import base_fingerprint, fingerprint


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """A staged adapter and its base, as far as names by content know."""
    base, place = tmp_path / "incumbent", tmp_path / "candidates" / "love-0.3-dc3ee34a"
    for folder in (base, place):
        folder.mkdir(parents=True)
    (base / "config.json").write_text("{}")
    (base / "model.safetensors").write_bytes(b"base")
    (place / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "../../incumbent"}))
    (place / "adapter_model.safetensors").write_bytes(b"adapter")
    decoding.write(place, decoding.EVALUATED)
    lineage = {"policy": f"love-0.3@{fingerprint(place)}", "base": base_fingerprint(place)}
    (place / "lineage.json").write_text(json.dumps(lineage))
    return place


def change_base(place: Path) -> None:
    (place.parents[1] / "incumbent" / "model.safetensors").write_bytes(b"bass")


def change_weights(place: Path) -> None:
    (place / "adapter_model.safetensors").write_bytes(b"adaptor")


def change_template(place: Path) -> None:
    (place / "chat_template.jinja").write_text("You are kind. {{ messages }}")


def change_decoding(place: Path) -> None:
    decoding.write(place, decoding.DecodingSettings(0.7, 48))


@pytest.mark.parametrize("change", [change_base, change_weights, change_template, change_decoding])
def test_whatever_changes_what_is_said_makes_it_another_bundle(staged: Path, change: Callable[[Path], None]) -> None:
    served = bundles.bundle(str(staged))
    served.unchanged()
    change(staged)
    with pytest.raises(ValueError, match="its files were changed since"):
        served.unchanged()


@pytest.mark.parametrize(("change", "what"), [(change_base, "base"), (change_weights, "policy")])
def test_other_weights_than_those_that_were_staged_are_not_served(
    staged: Path, change: Callable[[Path], None], what: str
) -> None:
    bundles.check_weights(staged)
    change(staged)
    done = CliRunner().invoke(group, ["serve", str(staged)])
    assert done.exit_code != 0
    assert f"was staged with the {what} " in f"{done.output} {done.exception}"


def test_an_adapter_whose_base_is_gone_is_no_bundle(staged: Path) -> None:
    for file in (staged.parents[1] / "incumbent").iterdir():
        file.unlink()
    (staged.parents[1] / "incumbent").rmdir()
    with pytest.raises(ValueError, match="is an adapter without its base"):
        bundles.bundle(str(staged))


def test_a_lineage_that_names_no_weights_is_told(staged: Path) -> None:
    (staged / "lineage.json").write_text("{}")
    with pytest.raises(ValueError, match="names no weights"):
        bundles.check_weights(staged)


def test_a_folder_that_was_never_staged_has_nothing_to_be_held_against(staged: Path) -> None:
    bundles.check_weights(staged.parents[1] / "incumbent")
    assert decoding.read(staged.parents[1] / "incumbent") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "decoding.json"),
        ('{"temperature": 1}', "max_tokens"),
        ('{"temperature": 11, "max_tokens": 1}', "temperature == 11, must be from 0 to 10"),
        ('{"temperature": 1, "max_tokens": 0}', "max_tokens == 0, must be at least 1"),
        ('{"temperature": 1, "max_tokens": 1, "top_p": 0.5}', "top_p"),
    ],
)
def test_settings_that_cannot_be_decoded_with_are_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / decoding.FILE).write_text(text)
    with pytest.raises(ValueError, match=told):
        decoding.read(tmp_path)
