"""Whether people come back: return after 1, 7 and 14 days, and what of it a response may be rewarded for.

`returns` reads user-days and what is known of later days; `hazard` models the return, `accuracy` holds it against
simpler ones; `response_reward` gives a single response its part; `surrogate` foretells a late outcome from an early
one; `composite` learns weights of signals. Everything is learnt from the log alone.
"""
