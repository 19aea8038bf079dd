"""The synthetic world: a seeded product with people, loves, attacks and faults whose hidden truth is known.

`text` speaks, `truth` reads any text, `simulate` writes a stream of events, `labels` and `prompts` give annotators'
judgements and prompt sets, `serve` runs an A/B test. Nothing that learns may import this package.
"""

from streams.synthetic.studies.serving import TrueEffect, serve, true_effects
from streams.synthetic.studies.sets import labels, prompts
from streams.synthetic.world import Amounts, WorldConfig, overlays, simulate

__all__ = ["Amounts", "TrueEffect", "WorldConfig", "labels", "overlays", "prompts", "serve", "simulate", "true_effects"]
