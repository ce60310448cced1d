"""A run that was stopped and resumed ends with the bits of one that was not, and goes on where it stood."""

import numpy as np
import pytest
import torch
from torch import nn

from strata import ImageClassifier
from strata.engine import Callback, Checkpointing

X = np.random.RandomState(0).randint(0, 160, (40, 12, 12, 3)).astype(np.uint8)
Y = np.arange(40) % 3
X[np.arange(40), :, :, Y] += 90


class Small(nn.Module):
    """Dropout draws from torch's generator, batch normalization keeps running statistics."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(8, 3)

    def forward(self, x):
        return self.last(self.drop(torch.relu(self.norm(self.conv(x))).mean(dim=(2, 3))))


class StopAfter(Callback):
    def __init__(self, n_batches):
        self.n_batches = n_batches

    def on_batch_end(self, run):
        if run.step >= self.n_batches:
            run.stop("callback")


def model(**options):
    torch.manual_seed(0)
    options = {"max_iter": 4, "batch_size": 16, "random_state": 0, "augment": ["crop", "flip"], **options}
    return ImageClassifier(options.pop("model", None) or Small(), **options)


def state(fitted):
    return {name: value.numpy().tobytes() for name, value in fitted.network_.state_dict().items()}


@pytest.mark.parametrize("n_batches", [1, 4, 7])
@pytest.mark.parametrize("options", [{}, {"early_stopping": True, "validation_fraction": 0.2}])
def test_resumed_in_the_middle(tmp_path, n_batches, options):
    whole = model(**options).fit(X, Y)
    place = Checkpointing(tmp_path / "kept", every_steps=1)
    part = model(checkpoint=place, callbacks=[StopAfter(n_batches)], **options).fit(X, Y)
    assert part.stop_reason_ == "callback"
    torch.manual_seed(99)
    resumed = model(checkpoint=place, resume=True, **options).fit(X, Y)
    assert state(resumed) == state(whole)
    assert options or state(part) != state(whole), "the best epoch may be the first"
    assert resumed.loss_curve_ == whole.loss_curve_
    assert resumed.validation_scores_ == whole.validation_scores_
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))


def test_a_finished_run_is_only_read(tmp_path):
    first = model(checkpoint=tmp_path / "kept").fit(X, Y)
    again = model(checkpoint=tmp_path / "kept", resume=True).fit(X, Y)
    assert state(first) == state(again)
    assert again.history_["seconds"] == first.history_["seconds"]


@pytest.mark.parametrize("n_batches", [2, 8, 13])
def test_two_phases_are_resumed_in_either(tmp_path, n_batches):
    options = {"transfer": "last", "max_iter": 3, "fine_tune": 2, "augment": "none"}
    whole = model(**options).fit(X, Y)
    place = Checkpointing(tmp_path / "kept", every_steps=1)
    stop = StopTotal(n_batches)
    model(checkpoint=place, callbacks=[stop], **options).fit(X, Y)
    resumed = model(checkpoint=place, resume=True, **options).fit(X, Y)
    assert state(resumed) == state(whole)
    assert resumed.loss_curve_ == whole.loss_curve_


class StopTotal(Callback):
    """Counts the batches of both phases."""

    def __init__(self, n_batches):
        self.left = n_batches

    def on_batch_end(self, run):
        self.left -= 1
        if self.left <= 0:
            run.stop("callback")


def test_other_images_are_noticed(tmp_path):
    model(checkpoint=tmp_path / "kept").fit(X, Y)
    with pytest.raises(ValueError, match="batches of the interrupted run"):
        model(checkpoint=tmp_path / "kept", resume=True, max_iter=6).fit(255 - X, Y)


def test_warm_start_goes_on():
    warm = model(warm_start=True, max_iter=2).fit(X, Y)
    before = state(warm)
    first = list(warm.loss_curve_)
    warm.fit(X, Y)
    assert warm.n_iter_ == 4
    assert warm.loss_curve_[:2] == first
    assert state(warm) != before
    cold = model(max_iter=2).fit(X, Y)
    assert state(cold) == before
