"""Looking on changes nothing: the same bits with and without a recorder, and copies that are what they say."""

import copy
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

import strata
from strata.data.sources import Batch
from strata.diagnosis import recorder as recording
from strata.diagnosis._lookback import Replica
from strata.diagnosis.recorder import Recorder, network_of, tensors_of
from strata.engine import train
from strata.rules.gradient import GradientDescent

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def rows(n_rows=90, n_features=3):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_rows, n_features))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def network(**parameters):
    settings = {"hidden_layer_sizes": (6, 4), "batch_size": 20, "max_iter": 9, "tol": 0.0, "random_state": 3}
    return strata.MLPClassifier(**{**settings, **parameters})


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
@pytest.mark.parametrize("how", [{}, {"dropout": 0.4}, {"early_stopping": True, "solver": "sgd", "momentum": 0.9}])
def test_training_gives_the_same_bits_with_a_recorder(engine, how):
    X, y = rows()
    plain = network(engine=engine, **how).fit(X, y)
    state = torch.get_rng_state(), np.random.get_state()[1]
    seen = network(engine=engine, callbacks=[Recorder()], **how).fit(X, y)
    assert seen.engine_ == engine
    for own, other in zip((*plain.coefs_, *plain.intercepts_), (*seen.coefs_, *seen.intercepts_), strict=True):
        np.testing.assert_array_equal(own, other)
    assert plain.loss_curve_ == seen.loss_curve_
    assert torch.equal(state[0], torch.get_rng_state()) and (state[1] == np.random.get_state()[1]).all()


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
def test_a_copy_is_the_network_after_that_many_epochs(engine):
    X, y = rows()
    recorder = Recorder()
    network(engine=engine, callbacks=[recorder]).fit(X, y)
    assert [moment.epoch for moment in recorder.moments] == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    assert [moment.step for moment in recorder.moments] == [5 * moment.epoch for moment in recorder.moments]
    for moment in recorder.moments[1:]:
        short = network(engine=engine, max_iter=moment.epoch).fit(X, y)
        for own, other in zip(moment.tensors, tensors_of(short._network), strict=True):
            assert torch.equal(own, other)


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
def test_training_goes_on_from_a_kept_state_as_it_did(engine):
    X, y = rows()
    recorder = Recorder()
    network(engine=engine, callbacks=[recorder], dropout=0.3).fit(X, y)
    kept = {moment.epoch: moment for moment in recorder.moments}
    assert [epoch for epoch, moment in kept.items() if moment.state is not None] == [0, 1, 2, 4, 8, 9]
    replica = Replica(recorder.run.rule)
    replica.rule.load_state_dict(copy.deepcopy(kept[4].state))
    replica.rule.train()
    for batch in recorder.run.source.epoch(4).take(0, 5):
        replica.rule.step(batch)
    for own, other in zip(kept[5].tensors, tensors_of(replica.network), strict=True):
        assert torch.equal(own, other)


def test_the_last_copy_is_the_network_that_is_kept():
    X, y = rows()
    recorder = Recorder()
    model = network(early_stopping=True, n_iter_no_change=3, max_iter=60, callbacks=[recorder]).fit(X, y)
    assert np.argmax(model.validation_scores_) + 1 < model.n_iter_  # so that another epoch's weights are kept
    for own, other in zip(recorder.moments[-1].tensors, tensors_of(model._network), strict=True):
        assert torch.equal(own, other)


def test_memory_stays_within_its_bound():
    X, y = rows()
    free, bounded = Recorder(), Recorder(max_bytes=20_000)
    for recorder in (free, bounded):
        network(max_iter=200, n_iter_no_change=300, callbacks=[recorder]).fit(X, y)
    assert free.n_bytes > 20_000 > bounded.n_bytes
    held = sum(copied.n_bytes for copied in bounded._copies)
    tensors = sum(tensor.nbytes for moment in bounded.moments for tensor in moment.tensors)
    assert bounded.n_bytes == held > tensors
    assert (bounded.moments[0].epoch, bounded.moments[-1].epoch) == (0, 200)
    assert 2 < len(bounded.moments) < len(free.moments)


def test_time_stays_within_its_share(monkeypatch):
    X, y = rows()
    monkeypatch.setattr(recording, "_FREE", 0.0)
    recorder = Recorder(share=1e-9)
    network(max_iter=50, n_iter_no_change=300, callbacks=[recorder]).fit(X, y)
    assert [moment.epoch for moment in recorder.moments] == [0, 1, 2, 4, 8, 16, 32, 50]
    assert 0 < recorder.seconds < 1


def test_a_clone_of_an_estimator_has_the_same_recorder():
    recorder = Recorder()
    assert clone(network(callbacks=[recorder])).callbacks[0] is recorder


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="`share` must be above 0. Received: share=0"):
        Recorder(share=0)
    with pytest.raises(ValueError, match="`max_bytes` must be above 0. Received: max_bytes=-1"):
        Recorder(max_bytes=-1)


class Odd(nn.Module):
    """Weights that do not lie in one piece, a buffer of whole numbers, and one that no state holds."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)
        self.norm = nn.BatchNorm2d(3)
        self.out = nn.Linear(3, 2)
        self.register_buffer("scale", torch.full((), 0.5), persistent=False)

    def forward(self, x):
        return self.out(self.norm(self.conv(x)).mean(dim=(2, 3)) * self.scale)


def test_any_module_is_copied_with_its_buffers():
    module, rng = Odd(), torch.Generator().manual_seed(0)
    x, y = torch.randn(12, 2, 5, 5, generator=rng), torch.randint(2, (12,), generator=rng)
    rule = GradientDescent(module, nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0])), optimizer="adam")
    before = [tensor.detach().clone() for tensor in tensors_of(module)]
    recorder = Recorder()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train(rule, _Once(Batch(x, y)), max_epochs=3, callbacks=[recorder])
    assert network_of(rule) is module
    first, last = recorder.moments[0], recorder.moments[-1]
    for kept, own in zip(first.tensors, before, strict=True):
        assert torch.equal(kept, own)
    for kept, own in zip(last.tensors, tensors_of(module), strict=True):
        assert torch.equal(kept, own) and kept.data_ptr() != own.data_ptr()
    assert not torch.equal(first.tensors[0], last.tensors[0])
    replica = Replica(rule)
    replica.rule.load_state_dict(copy.deepcopy(first.state))
    for kept, own in zip(first.tensors, tensors_of(replica.network), strict=True):
        assert torch.equal(kept, own)


class _Once:
    """One batch an epoch."""

    def __init__(self, batch):
        self.batch, self.n_batches, self.batch_size, self.n_rows = batch, 1, len(batch.x), len(batch.x)

    def epoch(self, number):
        return _OneBatch(self.batch)

    def state_dict(self):
        return {}


class _OneBatch:
    n_batches, arrays, order = 1, None, None

    def __init__(self, batch):
        self.batch, self.batch_size = batch, len(batch.x)

    def take(self, start, stop):
        yield from [self.batch][start:stop]
