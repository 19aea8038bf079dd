"""Queries that lie in files: `sql/NAME.sql` in the folder of the module that asks them."""

from functools import cache
from pathlib import Path


def query(module: str, name: str, **filled: object) -> str:
    """The text of a query.

    >>> from warehouse.adversary.online import affected
    >>> print(query(affected.__file__, "day_loves", loves="FROM reactions").splitlines()[-1])
    SELECT *, day_number(reacted_at) AS day FROM (FROM reactions)

    Args:
        module: The `__file__` of a module in the same folder.
        name: The file's name without its ending.
        filled: What stands in the place of `{NAME}`: relations, conditions, numbers. Without any, braces stay braces.
    """
    text = _text(Path(module).parent / "sql" / f"{name}.sql")
    return text.format(**filled) if filled else text


@cache
def _text(path: Path) -> str:
    return path.read_text()
