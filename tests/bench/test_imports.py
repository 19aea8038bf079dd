"""What the benchmarks import from the product is there: most of them run too long to be tried as a whole."""

import ast
import importlib
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
PRODUCT = ("assets", "experiments", "stats", "streams", "training", "warehouse")


def wanted(file: Path) -> list[tuple[str, str]]:
    """Module and name of everything that a file imports from the product, wherever in it."""
    return [
        (node.module, each.name)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PRODUCT
        for each in node.names
    ]


@pytest.mark.slow
def test_every_name_that_a_benchmark_imports_from_the_product_is_there() -> None:
    absent, seen = [], 0
    for file in sorted(BENCH.rglob("*.py")):
        for module, name in wanted(file):
            seen += 1
            if not hasattr(importlib.import_module(module), name):
                try:
                    importlib.import_module(f"{module}.{name}")
                except ModuleNotFoundError:
                    absent.append(f"{file.relative_to(BENCH)}: {module}.{name}")
    assert absent == []
    assert seen > 200
