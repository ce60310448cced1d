"""Ctrl-C and SIGTERM while layers are trained one upon the other: they end the fit, not that layer alone."""

import numpy as np
import pytest

from strata import Autoencoder, DBNClassifier, DBNRegressor, DeepBeliefNetwork
from strata.engine import Callback, watching

X, LABELS = np.random.RandomState(0).rand(20, 4), np.arange(20) % 2


class Terminated(KeyboardInterrupt):
    """As the command raises when SIGTERM comes."""


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Terminated])
@pytest.mark.parametrize(
    "model",
    [
        DBNClassifier((3, 3), pretraining_iter=2, max_iter=2),
        DBNClassifier((3, 3), pretraining="autoencoder", pretraining_iter=2, max_iter=2),
        DBNClassifier((3, 3), pretraining="supervised", pretraining_iter=2, max_iter=2),
        DBNRegressor((3, 3), pretraining_iter=2, max_iter=2),
        DeepBeliefNetwork((3, 3), pretraining_iter=2),
        Autoencoder(2, (3,), pretrain_iter=2, max_iter=2),
    ],
    ids=["rbm", "autoencoder", "supervised", "regressor", "transformer", "stacked"],
)
def test_an_interrupt_while_layers_are_trained_ends_the_fit(model, kind):
    seen = []

    class Stops(Callback):
        def on_epoch_end(self, run):
            seen.append(run)
            raise kind

    with watching(Stops()), pytest.raises(KeyboardInterrupt) as caught:
        model.fit(X, LABELS)
    assert type(caught.value) is kind and len(seen) == 1


def test_an_interrupt_of_the_top_machine_ends_the_fit():
    runs = []

    class StopsTheThird(Callback):
        def on_fit_begin(self, run):
            runs.append(run)

        def on_epoch_end(self, run):
            if len(runs) == 3:  # after two layers
                raise KeyboardInterrupt

    model = DBNClassifier((3, 3), fine_tuning="up_down", pretraining_iter=2, max_iter=2)
    with watching(StopsTheThird()), pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS)
    assert len(runs) == 3
