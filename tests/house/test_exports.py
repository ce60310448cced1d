"""What a module says it exports is what it has, sorted, and nothing public is forgotten."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import strata

MODULES = ["strata", *sorted(info.name for info in pkgutil.walk_packages(strata.__path__, "strata."))]
PUBLIC = [name for name in MODULES if not name.rsplit(".", 1)[-1].startswith("__")]


def defined(path: Path) -> set[str]:
    """Public top-level classes and functions that a file defines."""
    kinds = (ast.ClassDef, ast.FunctionDef)
    return {n.name for n in ast.parse(path.read_text()).body if isinstance(n, kinds) and not n.name.startswith("_")}


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_sorted_complete_and_true(name):
    module = importlib.import_module(name)
    exported = module.__all__
    assert list(exported) == sorted(set(exported)), "sorted, without repetition"
    missing = [each for each in exported if not hasattr(module, each)]
    assert missing == [], "exported but absent"
    path = Path(module.__file__)
    if path.name != "__init__.py":
        assert defined(path) - set(exported) == set(), "public but not exported"


@pytest.mark.parametrize("name", [n for n in PUBLIC if Path(importlib.import_module(n).__file__).name == "__init__.py"])
def test_a_package_re_exports_by_name_only_what_it_lists(name):
    path = Path(importlib.import_module(name).__file__)
    imported = {
        alias.asname or alias.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("strata")
        for alias in node.names
    }
    assert imported - set(importlib.import_module(name).__all__) == set()


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'strata' has no attribute 'MLPClasifier'"):
        strata.MLPClasifier  # noqa: B018


def test_dir_lists_the_public_names():
    assert dir(strata) == strata.__all__
