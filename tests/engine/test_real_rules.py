"""The rules that users train with, cut up and taken up again."""

import numpy as np
import pytest
import torch

from strata.data.sources import ArraySource
from strata.engine import Checkpointing, EarlyStopping, train
from strata.nn.dense import DenseLoss, DenseNetwork, DenseSpec, Head
from strata.rules.compiled import CompiledDense
from strata.rules.gradient import GradientDescent


@pytest.fixture(autouse=True)
def _fast_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def network(seed):
    spec = DenseSpec(
        n_inputs=4,
        hidden_sizes=(6,),
        hidden_activations=("tanh",),
        heads=(Head(size=3, loss="cross_entropy"),),
        dropout=(0.0, 0.3),
    )
    net = DenseNetwork(spec, dtype=torch.float64, seed=5)
    draw = np.random.RandomState(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.from_numpy(0.3 * draw.randn(*parameter.shape)))
    return spec, net


def gradient_descent(seed):
    spec, net = network(seed)
    return GradientDescent(net, DenseLoss(spec), optimizer="adamw", schedule="cosine")


def compiled(seed):
    _, net = network(seed)
    return CompiledDense(net, optimizer="adam", schedule="cosine")


def source(random_state):
    data = np.random.RandomState(1)
    x = data.randn(29, 4)
    y = (x[:, :1] > 0).astype(np.float64) + (x[:, 1:2] > 0.5)
    return ArraySource(x, y, batch_size=6, random_state=random_state)


def part(make, folder, *, seed, max_steps=None, resume=False):
    rule = make(seed)
    run = train(
        rule,
        source(3 if not resume else 50 + seed),
        max_epochs=8,
        callbacks=[EarlyStopping("loss", patience=100, restore_best=False)],
        checkpoint=Checkpointing(folder),
        resume=resume,
        max_steps=max_steps,
    )
    return rule, run


@pytest.mark.parametrize("make", [gradient_descent, compiled])
def test_resume_is_bit_identical(tmp_path, make):
    whole, whole_run = part(make, tmp_path / "whole", seed=0)
    begin = make(0)
    assert any(not torch.equal(a, b) for a, b in zip(whole.parameters(), begin.parameters(), strict=True))
    for cuts in ([1], [7], [20], [3, 4, 23]):
        folder = tmp_path / str(cuts)
        for number, stop in enumerate([*cuts, None]):
            rule, run = part(make, folder, seed=number, max_steps=stop, resume=number > 0)
        assert run.history["loss"] == whole_run.history["loss"]
        assert all(torch.equal(a, b) for a, b in zip(rule.parameters(), whole.parameters(), strict=True))
        assert all(torch.equal(a, b) for a, b in zip(rule.buffers(), whole.buffers(), strict=True))


@pytest.mark.parametrize("make", [gradient_descent, compiled])
def test_restored_weights_are_the_best(make):
    rule = make(0)
    stopping = EarlyStopping("loss", patience=1)
    kept = {}

    def validate(rule):
        kept[len(kept) + 1] = [parameter.detach().clone() for parameter in rule.parameters()]
        return {}

    scores = iter([3.0, 1.0, 2.0, 2.0, 2.0])
    stopping = EarlyStopping("val_x", patience=1)
    train(rule, source(3), max_epochs=5, validate=lambda r: {**validate(r), "x": next(scores)}, callbacks=[stopping])
    assert stopping.best_epoch == 2
    assert all(torch.equal(a, b) for a, b in zip(rule.parameters(), kept[2], strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(rule.parameters(), kept[3], strict=True))
