"""Every published fact holds, and a broken library makes facts fail."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from strata import MLPClassifier
from strata import verify as room
from strata.engine import Callback
from strata.functional import ACTIVATIONS
from strata.functional.activations import Activation
from strata.nn import DenseSpec
from strata.rules.optimizers import SGD, Rprop
from strata.verify import Claim, Fact, _registry, as_rows, as_table, facts, verify
from strata.verify._registry import Between, Section

QUICK = [claim for claim in facts() if not claim.slow]


@pytest.mark.parametrize("claim", QUICK, ids=[claim.fact for claim in QUICK])
def test_the_fact_holds(claim):
    result = claim.check()
    assert result.ok, result


@pytest.mark.slow
@pytest.mark.parametrize("claim", [claim for claim in facts() if claim.slow], ids=lambda claim: claim.fact)
def test_the_slow_fact_holds(claim):
    result = claim.check()
    assert result.ok, result


def test_an_interrupt_ends_all_facts(monkeypatch):
    """An estimator takes Ctrl-C as the end of its own fit, and the next fact must not begin."""
    monkeypatch.setattr(_registry, "_CLAIMS", {})
    section, begun = Section("interrupted"), []

    class CtrlC(Callback):
        def on_epoch_end(self, run):
            raise KeyboardInterrupt

    for name in ("first", "second"):

        def fit(name=name):
            begun.append(name)
            MLPClassifier((2,), callbacks=[CtrlC()]).fit(np.eye(4), [0, 1, 0, 1])
            return 1.0

        section(name, "S0", 1.0)(fit)
    with pytest.raises(KeyboardInterrupt):
        verify()
    assert begun == ["first"]


def test_there_are_many_facts_of_every_part():
    assert len(facts()) >= 200
    sections = {claim.section for claim in facts()}
    assert sections == {
        "activations", "autoencoders", "backprop", "bagging", "bengio2007", "boltzmann", "capacity", "cells", "counts",
        "delta", "flow", "gates", "images", "infert", "initialisation", "layers", "learning", "losses", "networks",
        "optimizers",
        "perceptron", "regularisation", "risk",
    }  # fmt: skip
    assert all(claim.source.strip() and claim.tolerance < 1000 for claim in facts())


def broken(names: list[str]) -> list[str]:
    return [fact.fact for fact in verify(names) if not fact.ok]


def test_a_wrong_slope_makes_facts_fail(monkeypatch):
    wrong = Activation("logistic", torch.sigmoid, lambda z: torch.sigmoid(z))
    monkeypatch.setitem(ACTIVATIONS, "logistic", wrong)
    assert len(broken(["activations"])) == 3


def test_a_wrong_activation_makes_back_propagation_disagree(monkeypatch):
    wrong = replace(ACTIVATIONS["tanh"], function=lambda z: torch.tanh(1.01 * z))
    monkeypatch.setitem(ACTIVATIONS, "tanh", wrong)
    assert "compiled back-propagation against autograd, all examples" in broken(["backprop"])


def test_lost_momentum_makes_facts_fail(monkeypatch):
    monkeypatch.setattr(SGD, "n_slots", 0)
    monkeypatch.setattr(SGD, "build", lambda self, params: torch.optim.SGD(params, lr=self.learning_rate))
    failed = broken(["optimizers"])
    assert "momentum, lecture's form, rate .01, alpha .9: steps 1 to 3, autograd" in failed
    assert "momentum, lecture's form, rate .01, alpha .9: steps 1 to 3, compiled" in failed
    assert not any(name.startswith("SGD, rate .01") for name in failed)


def test_rprop_without_backtracking_makes_infert_fail(monkeypatch):
    kernel = Rprop.kernel
    monkeypatch.setattr(Rprop, "kernel", lambda self: (9, kernel(self)[1]))
    room._infert._run.cache_clear()
    room._infert._fitted.cache_clear()
    failed = broken(["infert"])
    room._infert._run.cache_clear()
    room._infert._fitted.cache_clear()
    assert "Rprop+ from R's start: steps, error, largest derivative, weights, compiled" in failed


def test_a_wrong_count_makes_facts_fail(monkeypatch):
    monkeypatch.setattr(DenseSpec, "n_parameters", 17)
    assert len(broken(["counts"])) == 4


def test_a_fact_that_raises_fails_and_says_what_was_raised():
    def measure() -> float:
        raise RuntimeError("no such luck")

    result = Claim("f", "s", "S0", 1.0, 0.0, False, measure).check()
    assert not result.ok
    assert result.measured == "RuntimeError: no such luck"


@pytest.mark.parametrize(
    ("expected", "measured", "ok"),
    [
        (1.0, 1.0 + 9e-10, True),
        (1.0, 1.0 + 2e-9, False),
        (1.0, float("nan"), False),
        (1.0, True, False),
        (True, True, True),
        (True, 1, False),
        ([1, 2], torch.tensor([1.0, 2.0]), True),
        ([1, 2], [1, 2, 3], False),
        ([[1]], [1], False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"b": 1}, False),
        (Between(0, 1), 0.5, True),
        (Between(0, 1), 1.5, False),
        (Between(0, 1), float("nan"), False),
        ("x", "x", True),
    ],
)
def test_comparison(expected, measured, ok):
    assert Claim("f", "s", "S0", expected, 1e-9, False, lambda: measured).check().ok is ok


def test_a_fact_is_registered_once():
    section = Section("gates")
    with pytest.raises(ValueError, match=r"`fact` must be new. Received: 'softmax of \(1, 2, 3\)', registered in"):
        section("softmax of (1, 2, 3)", "S3", 1.0)(lambda: 1.0)


def test_facts_and_sections_are_chosen_by_name():
    results = verify(["gates", "softmax of (1, 2, 3)"])
    assert [result.fact for result in results if "softmax" in result.fact] == ["softmax of (1, 2, 3)"]
    assert len(results) == 1 + sum(claim.section == "gates" for claim in facts())
    with pytest.raises(ValueError, match=r"Unknown fact or section 'gate'. Did you mean 'gates'\?"):
        verify(["gate"])


def test_rows_are_strict_json():
    results = [*verify(["gates"]), Fact("f", "S0", [1.0], [float("inf"), {"a": float("nan")}], False, 0.0)]
    rows = json.loads(json.dumps(as_rows(results), allow_nan=False))
    assert set(rows[0]) == {"fact", "source", "expected", "measured", "ok"}
    assert rows[-1]["measured"] == [None, {"a": None}]


def test_the_table_shows_verdicts_sources_and_count():
    results = [*verify(["softmax of (1, 2, 3)"]), Fact("[red]f", "S0", 1.0, 2.0, False, 0.0)]
    text = as_table(results, width=120)
    assert "holds" in text and "FAILS" in text and "[red]f" in text
    assert "S0: G. Tang" in text and "S1: K. Rinnert" not in text
    assert text.endswith("1 of 2 facts hold.")
    assert "\x1b" not in text
    assert "\x1b[3" in as_table(results, width=120, color=True)
    assert max(map(len, as_table(results, width=60).splitlines())) <= 120


def test_measuring_leaves_threads_and_randomness_alone():
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    Claim("f", "s", "S0", 0, 0.0, False, lambda: float(torch.rand(1))).check()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
