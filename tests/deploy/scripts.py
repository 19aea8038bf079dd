"""Loads the scripts of deploy/, which lie in no package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def load(name: str) -> ModuleType:
    """The module of a script."""
    spec = importlib.util.spec_from_file_location(f"deploy_{name}", DEPLOY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    if str(DEPLOY) not in sys.path:
        sys.path.append(str(DEPLOY))  # as for a script that is run: it finds those beside it
    spec.loader.exec_module(module)
    return module
