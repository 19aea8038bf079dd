"""A classifier of feedback: made from a base, fitted through the engine, calibrated on validation users."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stats.estimate import Floats
from training import pretrained
from training.engine.config import EngineConfig
from training.engine.steps import silent
from training.progress import Follow, nobody
from training.reward.config import RewardConfig
from training.reward.data import Examples
from training.reward.model import RewardModel
from training.reward.recalibration import CalibrationRows, calibrate
from training.reward.residual import fit_residual
from training.reward.sampling import evaluation_rows
from training.text import load_tokenizer

if TYPE_CHECKING:
    from training.reward.fit import Fitted, RewardFit
    from training.reward.frozen_layers import States


def fit_classifier(
    train: Examples,
    validation: Examples,
    *,
    base: str,
    config: RewardConfig,
    name: str,
    states: "States | None" = None,
    engine: EngineConfig | None = None,
    state: Path | None = None,
    tell: Callable[[str], None] = silent,
    follow: Follow = nobody,
) -> "tuple[RewardFit, Fitted]":
    """Fit a classifier through the engine; the fit holds the best epoch's weights, on rank 0.

    Args:
        train: What is learnt from.
        validation: Other users, for early stopping.
        base: See `check_base`.
        config: The dials.
        name: For the progress bars.
        states: Outputs of frozen layers, by text; the folds of a cross-validation share them.
        engine: As `train_reward_model` takes it; as are `state`, `tell` and `follow`.
        state: Likewise.
        tell: Likewise.
        follow: Likewise.
    """
    from training.engine.memory import ModelSize, advised, planned, room_of
    from training.engine.placement import device_of, place
    from training.engine.schedule import reward_course
    from training.engine.start import start
    from training.reward.fit import RewardFit

    engine = engine or EngineConfig()
    if config.frozen_layers and (engine.tuning == "lora" or (engine.kind == "deepspeed" and engine.zero == 3)):
        raise ValueError(
            f"frozen_layers == {config.frozen_layers} goes neither with LoRA nor with ZeRO-3: set it to 0, or train "
            "with zero = 2 and tuning = 'full'"
        )
    tokenizer = load_tokenizer(base)
    classifier = place(load_classifier(base, tokenizer, config), engine, kind="reward", seed=config.seed)
    plan = planned(ModelSize.of(classifier), engine)
    for line in plan.lines(engine, room_of(device_of(engine.device), engine.ranks)):
        tell(line)
    with advised(plan, engine):
        runner = start(
            classifier, engine, weight_decay=config.weight_decay, betas=(0.9, 0.98), course=reward_course, fused=True
        )
        fit = RewardFit(
            runner,
            classifier,
            tokenizer,
            config,
            states={} if states is None else states,
            name=name,
            tokens=engine.tokens,
            state=state,
            follow=follow,
        )
        fitted = fit.run(train, validation)
    return fit, fitted


def calibrated(fit: "RewardFit", fitted: "Fitted", validation: Examples) -> RewardModel:
    """The model of the fit's best epoch, calibrated on the validation users; on rank 0 alone."""
    config, model = fit.config, fit.settled()
    held, weights = evaluation_sample(validation, config)
    raw, residual = fit.raw(fit.encoded(held).ids, f"{fit.name}: calibration"), None
    if config.residual:
        residual = fit_residual(config.residual, raw, held.labels, held.responses, weights)
        raw = residual.apply(raw, held.responses)
    calibration = calibrate(
        CalibrationRows(raw - np.log(fitted.stands_for), held.labels, weights),
        held.users,
        prior_shift=float(np.log(fitted.stands_for)),
        seed=config.seed,
    )
    return RewardModel(model.eval(), fit.tokenizer, calibration, config.max_tokens, config.caution, residual)


def load_classifier(base: str, tokenizer: Any, config: RewardConfig) -> Any:
    """The base as a sequence classifier with a label for each head: fresh heads, frozen lower layers."""
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    from training.reward.frozen_layers import freeze

    torch.manual_seed(config.seed)
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # a head that is drawn afresh is what we want, not a warning
    try:
        model = pretrained.load(AutoModelForSequenceClassification, base, num_labels=config.heads, dtype=torch.float32)
    finally:
        logging.set_verbosity(verbosity)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.reward_max_tokens = config.max_tokens
    model.config.reward_caution = config.caution
    model.config.use_cache = False
    _without_dropout(model)
    freeze(model, config.frozen_layers)
    return model


def _without_dropout(model: Any) -> None:
    """Switch dropout off, as TRL's RewardTrainer does: a row is seen twice at most, and validation ends the fit.

    With it attention keeps every probability, in place of the kernels that never write them: three times the memory.
    """
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for name, rate in vars(model.config).items():
        if "dropout" in name and isinstance(rate, float):
            setattr(model.config, name, 0.0)


def evaluation_sample(examples: Examples, config: RewardConfig) -> tuple[Examples, Floats]:
    """At most `evaluation_rows` rows, and weights (trust x sampling) that keep the natural rate; see `sampling`."""
    found = evaluation_rows(examples.labels, config.evaluation_rows, config.seed)
    return examples.take(found.rows), found.weights(examples)
