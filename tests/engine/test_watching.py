"""Looking on from outside, and stopping after so many epochs."""

import numpy as np
import pytest

from strata.engine import Callback, StopAfter, watching
from strata.estimators import BaggedMLPClassifier, DeltaRulePerceptron, MLPClassifier, Perceptron

X = np.random.RandomState(0).normal(size=(60, 2))
y = (X[:, 0] > X[:, 1] ** 2).astype(int)


class Count(Callback):
    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, run):
        self.epochs += 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "model",
    [
        MLPClassifier((3,), max_iter=5, random_state=0),
        Perceptron(tol=None, max_iter=5),
        DeltaRulePerceptron(max_iter=5, tol=None),
        BaggedMLPClassifier(2, (3,), max_iter=5, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_every_run_in_the_block_is_watched(model):
    outer, inner = Count(), Count()
    with watching(outer):
        with watching(inner):
            model.fit(X, y)
        model.fit(X, y)
    model.fit(X, y)
    assert (outer.epochs, inner.epochs) == (10, 5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_stopped_run_is_the_beginning_of_the_planned_one():
    settings = {"hidden_layer_sizes": (3,), "schedule": "cosine", "max_iter": 9, "random_state": 0}
    seen = []

    class Keep(Callback):
        def on_epoch_end(self, run):
            seen.append(run.rule.network.weights[0].detach().numpy().copy())

    MLPClassifier(**settings, callbacks=[Keep()]).fit(X, y)
    stopped = MLPClassifier(**settings, callbacks=[StopAfter(4)]).fit(X, y)
    np.testing.assert_array_equal(stopped.coefs_[0], seen[3])
    shorter = MLPClassifier(**{**settings, "max_iter": 4}).fit(X, y)
    assert not np.array_equal(shorter.coefs_[0], seen[3])
    assert MLPClassifier(**settings, callbacks=[StopAfter(0)]).fit(X, y).n_iter_ == 0


@pytest.mark.parametrize("n_epochs", [-1, 1.5, True])
def test_a_wrong_number_is_refused(n_epochs):
    with pytest.raises(ValueError, match="`n_epochs` must be an integer of 0 or more"):
        StopAfter(n_epochs)


@pytest.mark.parametrize("model", [Perceptron(tol=None), DeltaRulePerceptron()], ids=lambda m: type(m).__name__)
def test_a_single_neuron_can_be_stopped_before_it_learns(model):
    with watching(StopAfter(0)):
        model.fit(X, y)
    assert not np.any(model.coef_)
    assert model.n_iter_ == 0
    assert model.loss_curve_ == []
