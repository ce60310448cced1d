"""Metrics against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, r2_score

from strata.functional import accuracy, confusion_table, mean_absolute_01, r2

RNG = np.random.RandomState(3)
Y, P, W = RNG.randint(0, 4, 60), RNG.randint(0, 4, 60), RNG.rand(60)
T = torch.from_numpy


def test_accuracy() -> None:
    assert accuracy(T(P), T(Y)).item() == pytest.approx(accuracy_score(Y, P))
    assert accuracy(T(P), T(Y), sample_weight=T(W)).item() == pytest.approx(accuracy_score(Y, P, sample_weight=W))
    labels, found = RNG.randint(0, 2, (30, 3)), RNG.randint(0, 2, (30, 3))
    assert accuracy(T(found), T(labels)).item() == pytest.approx(accuracy_score(labels, found))


@pytest.mark.parametrize("shape", [(60,), (60, 3)])
def test_r2(shape: tuple[int, ...]) -> None:
    y = RNG.normal(size=shape)
    f = y + 0.3 * RNG.normal(size=shape)
    assert r2(T(f), T(y)).item() == pytest.approx(r2_score(y, f), rel=1e-12)
    assert r2(T(f), T(y), sample_weight=T(W)).item() == pytest.approx(r2_score(y, f, sample_weight=W), rel=1e-12)


def test_r2_of_a_constant_target() -> None:
    y = torch.ones(4)
    assert r2(y, y) == 1
    assert r2(y + 0.1, y) == 0


def test_confusion_table() -> None:
    np.testing.assert_array_equal(
        confusion_table(T(P), T(Y), n_classes=5).numpy(), confusion_matrix(Y, P, labels=range(5))
    )


def test_perceptron_error() -> None:
    assert mean_absolute_01(torch.tensor([1, 0, 1, 1]), torch.tensor([1.0, 1.0, 0.0, 1.0])) == 0.5


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"`predicted` and `targets` must have the same shape.*\(3,\).*\(3, 1\)"):
        r2(torch.ones(3), torch.ones(3, 1))
    with pytest.raises(ValueError, match=r"`predicted` must not be empty"):
        accuracy(torch.ones(0), torch.ones(0))
    with pytest.raises(
        ValueError, match=r"`targets` must be class numbers from 0 to 1\. Received: targets from 0 to 2"
    ):
        confusion_table(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 2]), n_classes=2)
