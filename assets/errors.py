"""Which failures are a user's to mend: the command line shows their message alone, without a traceback."""

EXPECTED: tuple[type[Exception], ...] = (ValueError, FileNotFoundError, ConnectionError, TimeoutError, PermissionError)
"""The project's own errors derive from these and say what was seen, the rule, and the next step."""
