import doctest
import importlib
import pkgutil

import pytest

import experiments

MODULES = [module.name for module in pkgutil.iter_modules(experiments.__path__, "experiments.")]


@pytest.mark.parametrize("name", MODULES)
def test_every_docstring_example_runs(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
