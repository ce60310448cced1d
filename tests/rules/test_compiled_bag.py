"""A bag of compiled networks learns what its members learn alone, bit for bit."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from strata.data import Batch, ResampledSource
from strata.functional import Penalty
from strata.nn import DenseNetwork, DenseSpec, Head
from strata.rules import SGD, CompiledBag, CompiledDense

K, N, BATCH = 5, 53, 10


def members(dtype=torch.float64, *, dropout=(), optimizer="adam", **how):
    spec = DenseSpec(4, (7,), ("tanh",), (Head(3, "cross_entropy"),), dropout=dropout)
    return [CompiledDense(DenseNetwork(spec, dtype=dtype, seed=i), optimizer=optimizer, **how) for i in range(K)]


def drawn(dtype="float64", *, batch_size=BATCH, weighted=True, keys=True, n_drawn=N, replace=True):
    random = np.random.RandomState(0)
    x, y = random.normal(size=(N, 4)).astype(dtype), random.randint(3, size=(N, 1)).astype(dtype)
    weights = random.uniform(0.5, 2, size=N).astype(dtype) if weighted else None
    samples = [random.choice(N, n_drawn, replace=replace) for _ in range(K)]
    return ResampledSource(x, y, weights, samples=samples, batch_size=batch_size, keys=np.arange(K) if keys else None)


def rows_of(source, m):
    """What member m has just gone through, as the batches of one rule."""
    x, y, _ = source.arrays
    weights = source.weights[m if len(source.weights) > 1 else 0]
    return SimpleNamespace(
        arrays=(x, y, weights if weights.size else None),
        order=source.orders[m, : source.sizes[m]].copy(),
        n_batches=source.n_batches,
        batch_size=int(source.batch_sizes[m]),
    )


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
@pytest.mark.parametrize("batch_size", [BATCH, 32])
def test_members_equal_networks_trained_alone(how, n_threads, batch_size):
    source = drawn("float32" if how.get("dtype") is torch.float32 else "float64", batch_size=batch_size)
    assert (source.weights.shape[0] == K) == (batch_size == 32)
    n_batches = source.n_batches
    alone, bag = members(**how), CompiledBag(members(**how), n_threads=n_threads)
    begun = [rule.theta.copy() for rule in bag.members]
    for rule in (*alone, bag):
        rule.plan(n_batches=n_batches, max_epochs=3)
    for number in range(3):
        logs = bag.run(source.epoch(number), 0, n_batches)
        bag.end_epoch({})
        losses = []
        for m, rule in enumerate(alone):
            figures = rule.run(rows_of(source, m), 0, n_batches)
            losses.append(float((figures["loss"] * figures["weight"]).sum() / figures["weight"].sum()))
            rule.end_epoch({"loss": losses[-1]})
    for rule, member, start in zip(alone, bag.members, begun, strict=True):
        assert np.array_equal(rule.theta, member.theta)
        assert torch.equal(rule.slots, member.slots)
        assert rule.n_steps == member.n_steps == 3 * n_batches
        assert not np.array_equal(member.theta, start)
    np.testing.assert_allclose(bag.losses, losses, rtol=1e-12)
    assert logs["loss"].shape == (n_batches,)


def test_an_epoch_in_two_calls_is_an_epoch():
    bags = [CompiledBag(members(), n_threads=2) for _ in range(2)]
    for bag, cuts in zip(bags, ([0, 6], [0, 1, 4, 6]), strict=True):
        source = drawn()
        for number in range(2):
            for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
                bag.run(source.epoch(number), start, stop)
    for one, other in zip(bags[0].members, bags[1].members, strict=True):
        assert np.array_equal(one.theta, other.theta)


def test_every_epoch_has_the_rows_of_the_sample_in_a_new_order():
    source, bag = drawn(), CompiledBag(members())
    samples, seen = np.sort(source.orders, axis=1), []
    for number in range(3):
        bag.run(source.epoch(number), 0, source.n_batches)
        seen.append(source.orders.copy())
        assert np.array_equal(np.sort(seen[-1], axis=1), samples)
    assert not any(np.array_equal(one, other) for one, other in [(seen[0], seen[1]), (seen[1], seen[2])])
    assert len({tuple(np.argsort(order, kind="stable")) for order in seen[0]}) == K  # each member its own
    still, before = drawn(keys=False), drawn(keys=False).orders
    bag.run(still.epoch(0), 0, still.n_batches)
    assert np.array_equal(still.orders, before)


def test_orders_are_drawn_evenly():
    """Each of 6 rows is first about as often as any other: chi square with 5 degrees of freedom below its 99.9 %."""
    source = ResampledSource(
        np.zeros((6, 4)), np.zeros((6, 1)), samples=[np.arange(6)] * K, batch_size=6, keys=np.arange(K)
    )
    bag, counts = CompiledBag(members()), np.zeros(6)
    for number in range(240):
        bag.run(source.epoch(number), 0, 1)
        counts += np.bincount(source.orders[:, 0], minlength=6)
    expected = 240 * K / 6
    assert ((counts - expected) ** 2 / expected).sum() < 20.5


def test_a_member_that_rests_stays_and_the_others_go_on():
    source = drawn()
    bag = CompiledBag(members())
    bag.active[2] = False
    before = [rule.theta.copy() for rule in bag.members]
    bag.run(source.epoch(0), 0, 6)
    bag.end_epoch({})
    moved = [not np.array_equal(rule.theta, old) for rule, old in zip(bag.members, before, strict=True)]
    assert moved == [True, True, False, True, True]
    assert np.isnan(bag.losses).tolist() == [False, False, True, False, False]
    assert not bag.converged
    bag.active[:] = False
    assert bag.converged


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda bag: pickle.loads(pickle.dumps(bag))], ids=["copy", "pickle"])
def test_a_copy_goes_on_with_the_same_bits(copied):
    source = drawn(keys=False)
    bag = CompiledBag(members(dropout=(0.0, 0.5)), n_threads=2)
    bag.run(source.epoch(0), 0, 6)
    twin = copied(bag)
    fresh = CompiledBag(members(dropout=(0.0, 0.5)))
    fresh.load_state_dict(bag.state_dict())
    for each in (bag, twin, fresh):
        each.run(source.epoch(1), 0, 6)
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
