"""Whether the machine code of the training loop is there already, and what is said when it is not."""

import importlib.util

import numpy as np
import pytest
from numba import types
from numba.core.caching import NullCache

from strata.rules.compiled import _jit, ready


@pytest.fixture
def double(tmp_path, monkeypatch):
    """Return a maker of a kernel, each as a new process would see it, that is kept in a folder of its own."""
    path = tmp_path / "kernels.py"
    path.write_text("def double(x):\n    return 2 * x\n")

    def make():
        spec = importlib.util.spec_from_file_location("kernels", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return _jit.entry(module.double)

    return make


def test_code_is_at_hand_once_compiled_in_this_process_or_another(double):
    first = double()
    assert _jit.is_kept_on_disk(first)
    assert not _jit.is_at_hand(first, (types.int64,))
    first.compile((types.int64,))
    assert _jit.is_at_hand(first, (types.int64,))
    again = double()
    assert not again.overloads
    assert _jit.is_at_hand(again, (types.int64,))
    assert not _jit.is_at_hand(again, (types.float64,))


def test_code_that_cannot_be_kept_is_at_hand_in_this_process_only(double):
    first = double()
    first._cache = NullCache()
    assert not _jit.is_kept_on_disk(first)
    assert not _jit.is_at_hand(first, (types.int64,))
    first.compile((types.int64,))
    assert _jit.is_at_hand(first, (types.int64,))


@pytest.mark.parametrize(("kept", "words"), [(True, "once on this machine"), (False, "no folder to keep it in can be")])
def test_it_is_said_once_and_only_when_there_is_something_to_compile(monkeypatch, kept, words):
    dtype = np.dtype("float64")
    monkeypatch.setattr(ready, "_READY", set())
    lines = []
    ready.make_ready(dtype, lines.append)  # the other tests have compiled it
    monkeypatch.setattr(ready, "_READY", set())
    monkeypatch.setattr(ready, "is_at_hand", lambda function, kinds: False)
    monkeypatch.setattr(ready, "is_kept_on_disk", lambda function: kept)
    lines.clear()
    ready.make_ready(dtype, lines.append)
    ready.make_ready(dtype, lines.append)
    assert len(lines) == 1
    assert lines[0].startswith(f"compiling the training loop ({words}")


def test_all_that_a_training_calls_is_asked_for(monkeypatch):
    dtype = np.dtype("float64")
    ready.make_ready(dtype, lambda line: None)
    known = {id(function): set(function.overloads) for function, _ in ready.pieces(dtype)}
    monkeypatch.setattr(ready, "_READY", set())
    asked = []
    monkeypatch.setattr(ready, "is_at_hand", lambda function, kinds: asked.append((function, kinds)) or True)
    ready.make_ready(dtype, lambda line: None)
    assert all(kinds in function.overloads for function, kinds in asked)
    assert {id(function) for function, _ in asked} >= set(known)
    assert ready.run_batches in [function for function, _ in asked]
