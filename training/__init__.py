"""The learning half: reward models, policies, judges, rollouts, evaluation, and the engine under them."""

import logging


def _is_news(record: logging.LogRecord) -> bool:
    """That there is no GPU is no warning: transformers looks for DeepSpeed in every process, DeepSpeed for a GPU."""
    return not record.getMessage().startswith("Setting accelerator to CPU")


logging.getLogger("DeepSpeed").addFilter(_is_news)
