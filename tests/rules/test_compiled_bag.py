"""A bag of compiled networks learns what its members learn alone, bit for bit."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from strata.data import ArraySource, Batch
from strata.functional import Penalty
from strata.nn import DenseNetwork, DenseSpec, Head
from strata.rules import SGD, CompiledBag, CompiledDense

K, N = 5, 53


def members(dtype=torch.float64, *, dropout=(), optimizer="adam", **how):
    spec = DenseSpec(4, (7,), ("tanh",), (Head(3, "cross_entropy"),), dropout=dropout)
    return [CompiledDense(DenseNetwork(spec, dtype=dtype, seed=i), optimizer=optimizer, **how) for i in range(K)]


def data(dtype="float64"):
    random = np.random.RandomState(0)
    x, y = random.normal(size=(N, 4)).astype(dtype), random.randint(3, size=(N, 1)).astype(dtype)
    weights = random.uniform(0.5, 2, size=N).astype(dtype)
    source = ArraySource(x, y, weights, batch_size=10, shuffle=False)
    orders = random.randint(N, size=(K, N))
    return source.epoch(0).arrays, orders


def epoch_of(arrays, **how):
    return SimpleNamespace(arrays=arrays, n_batches=6, batch_size=10, **how)


CASES = [
    {},
    {"dtype": torch.float32},
    {"dropout": (0.2, 0.3)},
    {"optimizer": "rmsprop-lecture", "schedule": "cosine"},
    {"optimizer": SGD(learning_rate=0.1, momentum=0.9, form="lecture"), "penalty": Penalty(l2=0.1, per_sample=True)},
    {"optimizer": "rprop"},
    {"penalty": Penalty(l1=0.01, l1_form="proximal", max_norm=1.0), "clip_norm": 0.5},
]


@pytest.mark.parametrize("how", CASES, ids=str)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_members_equal_networks_trained_alone(how, n_threads):
    arrays, orders = data("float32" if how.get("dtype") is torch.float32 else "float64")
    alone, bag = members(**how), CompiledBag(members(**how), n_threads=n_threads)
    begun = [rule.theta.copy() for rule in bag.members]
    losses = []
    for rule in (*alone, bag):
        rule.plan(n_batches=6, max_epochs=3)
    for _ in range(3):
        logs = bag.run(epoch_of(arrays, order=None, orders=orders), 0, 6)
        bag.end_epoch({})
        losses = []
        for rule, order in zip(alone, orders, strict=True):
            figures = rule.run(epoch_of(arrays, order=order), 0, 6)
            losses.append(float((figures["loss"] * figures["weight"]).sum() / figures["weight"].sum()))
            rule.end_epoch({"loss": losses[-1]})
    for rule, member, start in zip(alone, bag.members, begun, strict=True):
        assert np.array_equal(rule.theta, member.theta)
        assert torch.equal(rule.slots, member.slots)
        assert rule.n_steps == member.n_steps
        assert not np.array_equal(member.theta, start)
    np.testing.assert_allclose(bag.losses, losses, rtol=1e-12)
    assert logs["loss"].shape == (6,)


def test_a_member_that_rests_stays_and_the_others_go_on():
    arrays, orders = data()
    bag = CompiledBag(members())
    bag.active[2] = False
    before = [rule.theta.copy() for rule in bag.members]
    bag.run(epoch_of(arrays, order=None, orders=orders), 0, 6)
    bag.end_epoch({})
    moved = [not np.array_equal(rule.theta, old) for rule, old in zip(bag.members, before, strict=True)]
    assert moved == [True, True, False, True, True]
    assert np.isnan(bag.losses).tolist() == [False, False, True, False, False]
    assert not bag.converged
    bag.active[:] = False
    assert bag.converged


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda bag: pickle.loads(pickle.dumps(bag))], ids=["copy", "pickle"])
def test_a_copy_goes_on_with_the_same_bits(copied):
    arrays, orders = data()
    bag = CompiledBag(members(dropout=(0.0, 0.5)), n_threads=2)
    epoch = epoch_of(arrays, order=None, orders=orders)
    bag.run(epoch, 0, 6)
    twin = copied(bag)
    fresh = CompiledBag(members(dropout=(0.0, 0.5)))
    fresh.load_state_dict(bag.state_dict())
    for each in (bag, twin, fresh):
        each.run(epoch, 0, 6)
    for a, b, c in zip(bag.members, twin.members, fresh.members, strict=True):
        assert np.array_equal(a.theta, b.theta)
        assert np.array_equal(a.theta, c.theta)


def test_step_evaluate_and_forward_go_over_the_members():
    bag = CompiledBag(members())
    x, y = torch.randn(6, 4, dtype=torch.float64), torch.tensor([[0.0], [1], [2], [0], [1], [2]]).double()
    expected = torch.stack([rule.evaluate(Batch(x, y))["loss"] for rule in bag.members]).mean()
    assert torch.equal(bag.evaluate(Batch(x, y))["loss"], expected)
    assert torch.equal(bag(x)[3], bag.members[3].network(x))
    assert torch.equal(bag.step(Batch(x, y))["loss"], expected)
    assert bag.evaluate(Batch(x, y))["loss"] < expected


def test_members_must_be_alike():
    spec = DenseSpec(4, (2,), ("tanh",), (Head(3, "cross_entropy"),))
    other = CompiledDense(DenseNetwork(spec, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"`members` must be one or more rules of the same network.*6 members of 2"):
        CompiledBag([*members(), other])
    with pytest.raises(ValueError, match="0 members of 0 kinds"):
        CompiledBag([])
