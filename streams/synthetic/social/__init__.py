"""Social influence: people have friends, and friends spread tastes, moods, brigades and leaving.

`multiplex` draws the network, `majority` and `contagion` are the two published models, `brigades` is ours, `Society`
couples them to the world. The equations stand in docs/influence.md.
"""

from streams.synthetic.social.config import SocialConfig
from streams.synthetic.social.members import members
from streams.synthetic.social.society import Society

__all__ = ["SocialConfig", "Society", "members"]
