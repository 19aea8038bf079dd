"""The synthetic world: a seeded product with users, hearts, bots and faults whose hidden truth is known.

`text` speaks, `truth` reads any text, `simulate` writes a stream of events, `labels` and `prompts` give annotators'
judgements and prompt sets, `serve` runs an A/B test. Nothing that learns may import this package.
"""

from streams.synthetic.serving import TrueEffect, serve, true_effects
from streams.synthetic.sets import labels, prompts
from streams.synthetic.world import Amounts, WorldConfig, simulate

__all__ = ["Amounts", "TrueEffect", "WorldConfig", "labels", "prompts", "serve", "simulate", "true_effects"]
