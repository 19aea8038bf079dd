"""The red-team suite: attacks on the feedback of the synthetic world, each with its ground truth.

Written without knowledge of any filter; `docs/attacks.md` compares them.
"""
