"""Which failures are a user's to mend: the command line shows their message alone, without a traceback."""


def expected() -> tuple[type[Exception], ...]:
    """The project's own errors; each says what was seen, the rule, and the next step."""
    from warehouse.storage.transaction import WarehouseError

    return (
        WarehouseError,
        ValueError,
        FileNotFoundError,
        ModuleNotFoundError,
        ConnectionError,
        TimeoutError,
        PermissionError,
    )
