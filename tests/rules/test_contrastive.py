"""Contrastive divergence: the compiled chain and the plain one against loops of NumPy, enumeration and scikit-learn."""

import copy
import pickle

import numpy as np
import pytest
import torch
from scipy.special import expit, ndtr, ndtri
from sklearn.neural_network import BernoulliRBM as PeerRBM

from strata.data.sources import ArraySource, Batch
from strata.engine import train
from strata.nn import RBM
from strata.rules import ContrastiveDivergence
from strata.rules.compiled.gibbs_draws import normal_cdf, normal_quantile

W = np.array([[0.5, -0.3], [0.2, 0.8], [-0.6, 0.1]])
B, C = np.array([0.1, -0.2, 0.05]), np.array([-0.1, 0.3])
DATA = np.array([[1.0, 0, 1], [1, 1, 0], [1, 0, 0]])
ENGINES = ["compiled", "torch"]
OPTIONS = [
    {},
    {"n_gibbs_steps": 3},
    {"persistent": True, "n_chains": 7},
    {"persistent": True, "n_chains": 13, "n_gibbs_steps": 2, "average_chains": False},
    {"sampling": "hidden", "momentum": (0.3, 0.9), "momentum_epochs": 0, "weight_decay": 0.05},
    {"sampling": "none", "momentum": 0.5},
    {"sparsity_target": 0.1, "sparsity_cost": 0.5, "momentum": 0.2},
    {"persistent": True, "n_chains": 5, "sampling": "none"},
]


class Oracle:
    """The equations, in float64, one row and one unit at a time where that says more."""

    def __init__(self, rbm, seed, *, learning_rate, n_gibbs_steps=1, persistent=False, n_chains=0, sampling="all",
                 momentum=0.0, momentum_epochs=5, weight_decay=0.0, sparsity_target=None, sparsity_cost=0.1,
                 sparsity_decay=0.9, average_chains=True):  # fmt: skip
        self.w, self.b, self.c = (p.detach().numpy().astype(float).copy() for p in rbm.parameters())
        self.kind, self.rate, self.k, self.draws = rbm.visible, learning_rate, n_gibbs_steps, sampling
        self.random, self.chains = np.random.RandomState(seed), np.zeros((n_chains, len(self.c)))
        self.persistent, self.average, self.decay = persistent, average_chains, weight_decay
        pair = momentum if isinstance(momentum, tuple) else (momentum, momentum)
        self.momentum = pair[0] if momentum_epochs > 0 else pair[1]
        self.target, self.cost, self.keep, self.activity = sparsity_target, sparsity_cost, sparsity_decay, None
        self.moves = [np.zeros_like(p) for p in (self.w, self.b, self.c)]

    def up(self, v):
        return expit(v @ self.w + self.c)

    def draw_hidden(self, p):
        return p if self.draws == "none" else (self.random.random_sample(p.shape) < p).astype(float)

    def down(self, h):
        drive = h @ self.w.T + self.b
        mean = {"binary": expit, "gaussian": lambda x: x}.get(self.kind)
        if self.draws != "all":
            if self.kind == "rectified":
                return drive + np.exp(-0.5 * drive**2) / np.sqrt(2 * np.pi) / ndtr(drive)
            return mean(drive)
        u = self.random.random_sample(drive.shape)
        if self.kind == "binary":
            return (u < mean(drive)).astype(float)
        return drive + ndtri(u) if self.kind == "gaussian" else np.maximum(drive - ndtri(u * ndtr(drive)), 0)

    def free_energy(self, v):
        own = -(v @ self.b) if self.kind == "binary" else 0.5 * ((v - self.b) ** 2).sum(1)
        return own - np.logaddexp(0, v @ self.w + self.c).sum(1)

    def step(self, x):
        n, data = len(x), self.up(x)
        h = self.chains if self.persistent else self.draw_hidden(data)
        for k in range(self.k):
            v = self.down(h)
            model = self.up(v)
            if self.persistent or k < self.k - 1:
                h = self.draw_hidden(model)
        self.chains = h if self.persistent else self.chains
        loss = self.free_energy(x).mean() - self.free_energy(v).mean()
        if self.target is not None:
            past = data.mean(0) if self.activity is None else self.activity
            self.activity = self.keep * past + (1 - self.keep) * data.mean(0)
            data = data + self.cost * (self.target - self.activity)
        m = len(v) if self.average else n
        slopes = (x.T @ data / n - v.T @ model / m - self.decay * self.w, x.sum(0) / n - v.sum(0) / m,
                  data.sum(0) / n - model.sum(0) / m)  # fmt: skip
        for parameter, move, slope in zip((self.w, self.b, self.c), self.moves, slopes, strict=True):
            move *= self.momentum
            move += self.rate * slope
            parameter += move
        return loss, ((x - v) ** 2).mean() if not self.persistent else None


def rows(kind, n=43, n_visible=37):
    random = np.random.RandomState(3)
    x = random.uniform(size=(n, n_visible)) * (random.uniform(size=(n, n_visible)) < 0.5)
    x[:, :9] = 0  # a block that is nearly empty, and rows that are taken as a whole further on
    x[: n // 2, 20:] = random.uniform(size=(n // 2, n_visible - 20))
    return random.normal(size=x.shape) if kind == "gaussian" else x


@pytest.mark.parametrize("visible", ["binary", "gaussian", "rectified"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_both_engines_follow_the_equations(engine, options, visible):
    rbm = RBM(37, 21, visible=visible, init_sigma=0.3, dtype=torch.float64, random_state=1)
    oracle = Oracle(rbm, 5, learning_rate=0.05, **options)
    rule = ContrastiveDivergence(rbm, learning_rate=0.05, random_state=5, engine=engine, **options)
    for batch in np.split(rows(visible), (10, 20, 33)):  # batches of 10, 10, 13 and 10 rows
        figures = rule.step(Batch(torch.from_numpy(batch)))
        loss, error = oracle.step(batch)
        assert float(figures["loss"]) == pytest.approx(loss, abs=1e-10)
        assert ("reconstruction" in figures) == (error is not None)
        if error is not None:
            assert float(figures["reconstruction"]) == pytest.approx(error, abs=1e-12)
    for found, wanted in zip(rbm.parameters(), (oracle.w, oracle.b, oracle.c), strict=True):
        assert np.allclose(found.detach().numpy(), wanted, atol=1e-13)
    assert np.array_equal(rule.chains.numpy(), oracle.chains) or options.get("sampling") == "none"
    assert rule.random_state.random_sample() == oracle.random.random_sample()  # not one draw more or less


@pytest.mark.parametrize("options", OPTIONS[:4], ids=str)
def test_single_precision_is_the_same_but_for_rounding(options):
    found = []
    for dtype in (torch.float32, torch.float64):
        rbm = RBM(37, 21, init_sigma=0.3, dtype=dtype, random_state=1)
        rule = ContrastiveDivergence(rbm, random_state=5, learning_rate=0.05, **options)
        rule.step(Batch(torch.from_numpy(rows("binary")).to(dtype)))
        found.append(rbm.weight.double().numpy())
    assert np.allclose(*found, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (5, 70), (130, 3), (200, 200)])
def test_sizes_that_fill_no_vector_or_several_blocks(shape):
    random = np.random.RandomState(0)
    x = torch.from_numpy((random.uniform(size=(150, shape[0])) < 0.2).astype(float))
    found = []
    for engine in ENGINES:
        rbm = RBM(*shape, dtype=torch.float64, init_sigma=0.2)
        rule = ContrastiveDivergence(rbm, random_state=5, persistent=True, n_chains=140, engine=engine)
        for _ in range(3):
            rule.step(Batch(x))
        found.append(torch.cat([p.reshape(-1) for p in rbm.parameters()]).numpy())
    assert np.allclose(*found, atol=1e-13)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_change_no_bit(n_threads):
    x = torch.from_numpy((np.random.RandomState(0).uniform(size=(256, 300)) < 0.2).astype(np.float32))
    found = []
    for n in (1, n_threads):
        rbm = RBM(300, 250)
        rule = ContrastiveDivergence(rbm, random_state=0, n_threads=n)
        train(rule, ArraySource(x, batch_size=64, random_state=0), max_epochs=3)
        found.append(rbm.weight.clone())
    assert torch.equal(*found)


def averaged(x, n_steps, **options):
    """Mean change of the weights over many batches, at a rate that leaves the machine as it is."""
    rbm, rate = RBM.from_arrays(W, B, C), 1e-6 / n_steps
    rule = ContrastiveDivergence(rbm, learning_rate=rate, random_state=0, **options)
    source = ArraySource(np.tile(x, (1000, 1)), batch_size=len(x) * 1000, shuffle=False)
    batches = source.epoch(0)
    for _ in range(n_steps):
        rule.run(batches, 0, 1)
    return (rbm.weight.numpy() - W) / (rate * n_steps)


def test_the_mean_of_many_cd_1_draws_is_its_own_expectation_and_not_the_exact_gradient():
    exact = np.array([[0.2627736437, 0.2360849821], [-0.0994071843, -0.2072032411], [-0.0421327882, -0.1280205192]])
    wanted = np.array([[0.2546909167, 0.2291753331], [-0.0944132075, -0.1970464902], [-0.0379391883, -0.1192738379]])
    found = averaged(DATA, 400)
    assert np.abs(found - wanted).max() < 0.0015
    assert np.abs(found - exact).max() > 0.006


def test_means_everywhere_are_the_canons_numbers():
    wanted = [[0.2845308329, 0.2084472535], [-0.0848206103, -0.1588222587], [-0.0743056827, -0.1157768138]]
    assert np.allclose(averaged(DATA, 1, sampling="none"), wanted, atol=1e-6)


def test_longer_chains_and_persistent_ones_come_nearer_to_the_exact_gradient():
    exact = np.array([[0.2627736437, 0.2360849821], [-0.0994071843, -0.2072032411], [-0.0421327882, -0.1280205192]])
    far = np.abs(averaged(DATA, 200) - exact).max()
    assert np.abs(averaged(DATA, 200, n_gibbs_steps=5) - exact).max() < 0.5 * far
    assert np.abs(averaged(DATA, 400, persistent=True, n_chains=3000) - exact).max() < 0.5 * far


def test_persistent_chains_go_on_and_others_begin_anew():
    x = Batch(torch.ones(6, 8, dtype=torch.float64))
    rbm = RBM(8, 4, dtype=torch.float64, init_sigma=0.5)
    rule = ContrastiveDivergence(rbm, persistent=True, n_chains=3, random_state=0)
    assert not rule.chains.any()
    rule.step(x)
    first = rule.chains.clone()
    assert first.shape == (3, 4) and set(first.unique().tolist()) <= {0.0, 1.0} and first.any()
    other = copy.deepcopy(rule)
    other.chains.zero_()
    rule.step(x)
    other.step(x)
    assert not torch.equal(rule.rbm.weight, other.rbm.weight)  # where the chains were matters
    assert ContrastiveDivergence(rbm).chains.numel() == 0


@pytest.mark.parametrize("n_rows", [100, 93])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_scikit_learns_machine_for_the_same_draws(n_rows, dtype):
    x = (np.random.RandomState(0).uniform(size=(n_rows, 30)) < 0.3).astype(dtype)
    peer = PeerRBM(12, batch_size=10, n_iter=4, random_state=0, learning_rate=0.05).fit(x)
    random = np.random.RandomState(0)
    rbm = RBM(30, 12, dtype=torch.from_numpy(x).dtype, random_state=random)
    rule = ContrastiveDivergence(
        rbm, learning_rate=0.05, persistent=True, n_chains=10, average_chains=False, random_state=random
    )
    train(rule, ArraySource(x, batch_size=10, shuffle=False), max_epochs=4)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    assert np.allclose(rbm.weight.numpy().T, peer.components_, atol=tolerance)
    assert np.allclose(rbm.hidden_bias.numpy(), peer.intercept_hidden_, atol=tolerance)
    assert np.allclose(rbm.visible_bias.numpy(), peer.intercept_visible_, atol=tolerance)
    assert np.array_equal(rule.chains.numpy(), peer.h_samples_)


def test_the_likelihood_rises():
    from strata.nn import log_partition

    random = np.random.RandomState(0)
    pattern = np.array([[1, 1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1]])
    x = pattern[random.randint(2, size=400)] * (random.uniform(size=(400, 8)) < 0.95)

    def likelihood(rbm):
        return float(-rbm.free_energy(torch.from_numpy(x).double()).mean() - log_partition(rbm))

    for options in ({}, {"persistent": True, "n_chains": 50}, {"sampling": "hidden", "momentum": 0.5}):
        rbm = RBM(8, 6, dtype=torch.float64)
        before = likelihood(rbm)
        rule = ContrastiveDivergence(rbm, random_state=0, **options)
        train(rule, ArraySource(x.astype(float), batch_size=20, random_state=0), max_epochs=60)
        assert before == pytest.approx(-8 * np.log(2), abs=0.01)
        assert likelihood(rbm) > -2.6, options  # the two patterns and their noise have 2.05 nats of entropy


def test_sparse_units_are_sparse():
    x = torch.from_numpy((np.random.RandomState(0).uniform(size=(200, 30)) < 0.5).astype(float))
    means = []
    for target in (None, 0.05):
        rbm = RBM(30, 20, dtype=torch.float64)
        rule = ContrastiveDivergence(rbm, random_state=0, sparsity_target=target, sparsity_cost=1.0)
        train(rule, ArraySource(x, batch_size=20, random_state=0), max_epochs=60)
        means.append(float(rbm.hidden_probs(x).mean()))
    assert means[0] > 0.3 and abs(means[1] - 0.05) < 0.03


@pytest.mark.parametrize("options", [{"persistent": True, "n_chains": 9, "momentum": 0.5}, {"sparsity_target": 0.2}])
def test_a_run_that_is_cut_anywhere_ends_the_same(options):
    x = rows("binary").astype(np.float32)

    def fresh():
        rule = ContrastiveDivergence(RBM(37, 21), random_state=0, schedule="cosine", **options)
        return rule, ArraySource(x, batch_size=10, random_state=1)

    whole, source = fresh()
    train(whole, source, max_epochs=4)
    part, source = fresh()
    run = train(part, source, max_epochs=4, max_steps=7)
    assert run.step == 7
    saved, order = copy.deepcopy(part.state_dict()), source.state_dict()
    later, source = fresh()
    later.load_state_dict(saved)
    source.load_state_dict(order)
    for epoch, first in ((1, 2), (2, 0), (3, 0)):
        later.run(source.epoch(epoch), first, 5)
        later.end_epoch({})
    for found, wanted in zip(later.rbm.parameters(), whole.rbm.parameters(), strict=True):
        assert torch.equal(found, wanted)


def test_copies_and_pickles_are_machines_of_their_own():
    rule = ContrastiveDivergence(RBM(6, 4), random_state=0, persistent=True, n_chains=3, momentum=0.5)
    batch = Batch(torch.ones(5, 6))
    rule.step(batch)
    for other in (copy.deepcopy(rule), pickle.loads(pickle.dumps(rule))):
        assert torch.equal(other.rbm.weight, rule.rbm.weight)
        before = rule.rbm.weight.clone()
        other.step(batch)
        assert torch.equal(rule.rbm.weight, before) and not torch.equal(other.rbm.weight, before)


def test_one_call_of_many_batches_is_as_many_steps():
    x = rows("binary")
    source = ArraySource(x, batch_size=10, shuffle=False)
    rules = [ContrastiveDivergence(RBM(37, 21, dtype=torch.float64), random_state=0) for _ in range(2)]
    together = rules[0].run(source.epoch(0), 0, 5)
    apart = [rules[1].step(batch) for batch in source.epoch(0).take(0, 5)]
    assert torch.equal(together["loss"], torch.stack([figures["loss"] for figures in apart]))
    assert together["weight"].tolist() == [10, 10, 10, 10, 3]
    assert torch.equal(rules[0].rbm.weight, rules[1].rbm.weight)


def test_a_loss_that_is_not_finite_changes_no_weight():
    for engine in ENGINES:
        rule = ContrastiveDivergence(RBM(3, 2, visible="gaussian"), random_state=0, engine=engine)
        before = rule.rbm.weight.clone()
        figures = rule.step(Batch(torch.tensor([[1.0, float("nan"), 0.0]])))
        assert not torch.isfinite(figures["loss"]) and torch.equal(rule.rbm.weight, before) and rule.n_steps == 0


def test_evaluation_draws_nothing():
    rule = ContrastiveDivergence(RBM(6, 4), random_state=0)
    batch = Batch(torch.rand(5, 6))
    state = rule.random_state.get_state()[2]
    assert torch.equal(rule.evaluate(batch)["loss"], rule.evaluate(batch)["loss"])
    assert rule.random_state.get_state()[2] == state
    assert rule(batch.x).shape == (5, 4)


def test_another_generator_takes_the_plain_way():
    class Other(np.random.RandomState):
        def __init__(self):
            super().__init__(np.random.PCG64(0))

    rule = ContrastiveDivergence(RBM(6, 4), random_state=Other())
    rule.step(Batch(torch.rand(5, 6)))
    assert rule.n_steps == 1 and rule._compiled is None
    with pytest.raises(ValueError, match="`engine` must be 'torch'"):
        ContrastiveDivergence(RBM(6, 4), random_state=Other(), engine="compiled")


def test_what_is_refused():
    rbm = RBM(3, 2)
    with pytest.raises(TypeError, match="`rbm` must be an RBM"):
        ContrastiveDivergence(torch.nn.Linear(3, 2))
    with pytest.raises(ValueError, match="must have sigma 1 to learn.*Standardize the data"):
        ContrastiveDivergence(RBM(3, 2, visible="gaussian", sigma=2.0))
    for name, value in (("learning_rate", 0), ("momentum", 1.0), ("weight_decay", -1), ("sparsity_target", 1.5)):
        with pytest.raises(ValueError, match=f"`{name}` must be a finite number.*Received: {name}={value}"):
            ContrastiveDivergence(rbm, **{name: value})
    with pytest.raises(ValueError, match="`n_gibbs_steps` must be a whole number >= 1"):
        ContrastiveDivergence(rbm, n_gibbs_steps=0)
    with pytest.raises(ValueError, match="Unknown `sampling` 'al'. Did you mean 'all'"):
        ContrastiveDivergence(rbm, sampling="al")
    with pytest.raises(ValueError, match="`momentum` must be a number or a pair"):
        ContrastiveDivergence(rbm, momentum=(0.1, 0.2, 0.3))
    rule = ContrastiveDivergence(rbm)
    with pytest.raises(ValueError, match=r"`x` must have shape \(N, 3\)"):
        rule.step(Batch(torch.zeros(2, 4)))
    with pytest.raises(ValueError, match=r"`x` must have shape \(N, 3\)"):
        rule.run(ArraySource(np.zeros((4, 5)), batch_size=2).epoch(0), 0, 1)
    with pytest.raises(ValueError, match="`sample_weight` must be None"):
        rule.step(Batch(torch.zeros(2, 3), sample_weight=torch.ones(2)))


def test_the_normal_distribution_and_its_inverse():
    """The scalar functions of the kernels, run as Python, against SciPy's."""
    p = np.concatenate([10.0 ** np.arange(-300, -1, 13), np.linspace(0.01, 0.99, 37), 1 - 10.0 ** -np.arange(2, 15)])
    quantile, cdf = normal_quantile.py_func, normal_cdf.py_func
    module = vars(__import__("strata.rules.compiled.gibbs_draws", fromlist=["_ratio"]))
    ratio, module["_ratio"] = module["_ratio"], module["_ratio"].py_func
    try:
        found = np.array([quantile(float(x)) for x in p])
    finally:
        module["_ratio"] = ratio
    assert np.allclose(found, ndtri(p), rtol=1e-13, atol=1e-14)
    x = np.linspace(-30, 8, 100)
    assert np.allclose([cdf(float(value)) for value in x], ndtr(x), rtol=1e-12)
