"""Every example in a docstring runs and says what it gives."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest
import torch

import strata

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(strata.__path__, "strata.") if "__main__" not in module.name
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", ["strata", *MODULES])
def test_examples_run(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # an example may write where it stands
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=OPTIONS, extraglobs={"np": np, "torch": torch})
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples of {name} fail; see the output above"
