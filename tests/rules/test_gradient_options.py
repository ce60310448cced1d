"""Gradient descent's options for images: rates by module, auxiliary heads, memory order, compiling, fused updates."""

import copy
import pickle
import shutil
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strata.data.sources import ArraySource, Batch
from strata.engine import Checkpointing, train
from strata.functional import Penalty
from strata.rules import SGD, Adam, AdamW, GradientDescent, OneCycle
from strata.rules._program import Program

COMPILER = shutil.which("g++") or shutil.which("clang++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def images(n=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, 8, 8, generator=generator), torch.randint(5, (n,), generator=generator)


def network(seed=1):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(54, 5),
    )


def learn(rule, x, y, size=6, epochs=2):
    rule.plan(n_batches=-(-len(x) // size), max_epochs=epochs)
    figures = []
    for _ in range(epochs):
        for i in range(0, len(x), size):
            figures.append(float(rule.step(Batch(x[i : i + size], y[i : i + size]))["loss"]))
        rule.end_epoch({"loss": 1.0})
    return figures


def bare(net, optimizer, x, y, size=6, epochs=2, objective=None):
    for _ in range(epochs):
        for i in range(0, len(x), size):
            optimizer.zero_grad()
            rows = slice(i, i + size)
            loss = F.cross_entropy(net(x[rows]), y[rows]) if objective is None else objective(net, x[rows], y[rows])
            loss.backward()
            optimizer.step()


def gap(left, right):
    pairs = zip(left.state_dict().values(), right.state_dict().values(), strict=True)
    return max(float((a.double() - b.double()).abs().max()) for a, b in pairs)


# ---------------------------------------------------------------------------------------------- rates by module
def test_rates_equal_parameter_groups_of_a_bare_loop():
    x, y = images()
    ours, theirs = network(), network()
    rates = {"0": 0.1, "3": 0.5, "3.bias": 0.25}
    rule = GradientDescent(ours, "cross_entropy", optimizer=SGD(0.3, momentum=0.9, weight_decay=0.01), rates=rates)
    learn(rule, x, y)
    decay = {"weight_decay": 0.01}
    optimizer = torch.optim.SGD(
        [
            {"params": [theirs[6].weight], **decay},
            {"params": [theirs[1].weight, theirs[1].bias, theirs[6].bias]},
            {"params": [theirs[3].weight], "lr": 0.15, **decay},
            {"params": [theirs[3].bias], "lr": 0.075},
            {"params": [theirs[0].weight], "lr": 0.03, **decay},
        ],
        lr=0.3,
        momentum=0.9,
    )
    bare(theirs, optimizer, x, y)
    assert gap(ours, theirs) == 0.0
    assert rule.rate == 0.3


def test_a_schedule_moves_every_rate_by_its_factor():
    rule = GradientDescent(network(), "cross_entropy", optimizer=SGD(0.1), rates={"0": 0.5}, schedule=OneCycle())
    x, y = images()
    learn(rule, x, y, epochs=3)
    before = rule.rate
    rule.step(Batch(x, y)) if rule.n_steps < 6 else None
    rates = sorted({group["lr"] for group in rule.optimizer.param_groups})
    assert len(rates) == 2 and rates[0] == pytest.approx(0.5 * rates[1])
    assert before >= 0


def test_the_proximal_step_follows_the_rate_of_its_weight():
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 2, bias=False))
    for weight in net.parameters():
        nn.init.constant_(weight, 0.5)
    rule = GradientDescent(
        net, lambda scores, targets: scores.sum() * 0, optimizer=SGD(0.1), penalty=Penalty(l1=1.0, l1_form="proximal"),
        rates={"0": 0.2},
    )  # fmt: skip
    rule.step(Batch(torch.ones(1, 3), torch.ones(1, 2)))
    torch.testing.assert_close(net[0].weight, torch.full((3, 3), 0.48))
    torch.testing.assert_close(net[1].weight, torch.full((2, 3), 0.40))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rates": {"9": 0.1}}, ValueError, r"Unknown `rates` parameter or module '9'"),
        ({"rates": {"0": 0.0}}, ValueError, r"`rates\['0'\]` must be a finite number > 0"),
        ({"rates": [1.0]}, TypeError, "`rates` must map names of modules to factors"),
        ({"rates": {"0": 0.1}, "optimizer": lambda p: torch.optim.SGD(p, lr=0.1)}, ValueError, "by name or record"),
        ({"memory_format": "nhwc"}, ValueError, "Unknown `memory_format` 'nhwc'"),
        ({"aux_weight": -1.0}, ValueError, "`aux_weight` must be a finite number >= 0"),
        ({"loss_options": {"smoothing": 0.1}}, ValueError, "Unknown option of loss 'cross_entropy' 'smoothing'"),
    ],
)
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        GradientDescent(network(), "cross_entropy", **options)


def test_options_need_a_named_loss():
    with pytest.raises(ValueError, match="`loss_options` must come with the name of a loss"):
        GradientDescent(network(), nn.CrossEntropyLoss(), loss_options={"label_smoothing": 0.1})


# ------------------------------------------------------------------------------------------------ targets, heads
@pytest.mark.parametrize("soft", [False, True])
def test_label_smoothing_and_soft_targets_equal_torch(soft):
    x, y = images()
    y = torch.softmax(torch.randn(len(y), 5, generator=torch.Generator().manual_seed(3)), dim=1) if soft else y
    ours, theirs = network(), network()
    rule = GradientDescent(ours, "cross_entropy", optimizer=SGD(0.1), loss_options={"label_smoothing": 0.2})
    learn(rule, x, y)
    loss = nn.CrossEntropyLoss(label_smoothing=0.2)
    bare(theirs, torch.optim.SGD(theirs.parameters(), lr=0.1), x, y, objective=lambda net, x, y: loss(net(x), y))
    assert gap(ours, theirs) < 1e-6


class Heads(NamedTuple):
    logits: Tensor
    aux2: Tensor
    aux1: Tensor


class WithHeads(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.trunk, self.main, self.aux1, self.aux2 = (nn.Linear(4, 6), *(nn.Linear(6, 3) for _ in range(3)))

    def forward(self, x):
        h = self.trunk(x).tanh()
        return Heads(self.main(h), self.aux2(h), self.aux1(h)) if self.training else self.main(h)


def test_auxiliary_heads_count_in_training_only():
    x, y = torch.randn(12, 4, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3
    ours, theirs = WithHeads(), WithHeads()
    rule = GradientDescent(ours, "cross_entropy", optimizer=SGD(0.2), aux_weight=0.4)
    learn(rule, x, y)

    def objective(net, x, y):
        main, aux2, aux1 = net(x)
        return F.cross_entropy(main, y) + 0.4 * (F.cross_entropy(aux2, y) + F.cross_entropy(aux1, y))

    bare(theirs, torch.optim.SGD(theirs.parameters(), lr=0.2), x, y, objective=objective)
    assert gap(ours, theirs) < 1e-7
    assert rule.forward(x).shape == (12, 3)  # in training mode still
    theirs.eval()
    expected = float(F.cross_entropy(theirs(x), y).detach())
    assert float(rule.evaluate(Batch(x, y))["loss"]) == pytest.approx(expected, rel=1e-6)


# ------------------------------------------------------------------------------------------- memory, fused updates
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("spec", [SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01), Adam(0.01), AdamW(0.01)])
def test_channels_last_and_fused_updates_change_rounding_only(spec, fused):
    x, y = images()
    ours, theirs = network(), network()
    rule = GradientDescent(ours, "cross_entropy", optimizer=spec, memory_format="channels_last", fused=fused)
    assert all(bool(group.get("fused")) == fused for group in rule.optimizer.param_groups)
    learn(rule, x, y, epochs=3)
    learn(GradientDescent(theirs, "cross_entropy", optimizer=spec), x, y, epochs=3)
    assert ours[3].weight.is_contiguous(memory_format=torch.channels_last)
    assert theirs[3].weight.is_contiguous()
    assert gap(ours, theirs) < 2e-5


@pytest.mark.parametrize("spec", [SGD(0.1, momentum=0.9), Adam(0.01)])
def test_resumes_bit_for_bit_in_channels_last_and_fused(tmp_path, spec):
    x, y = images(30)

    def run(folder, max_steps=None, resume=False):
        source = ArraySource(x, y, batch_size=8, random_state=3)
        rule = GradientDescent(network(), "cross_entropy", optimizer=spec, memory_format="channels_last", fused=True,
                               rates={"0": 0.5})  # fmt: skip
        train(rule, source, max_epochs=4, checkpoint=Checkpointing(tmp_path / folder, every_steps=1), resume=resume,
              max_steps=max_steps)  # fmt: skip
        return rule

    whole = run("whole")
    run("parts", max_steps=6)
    parts = run("parts", resume=True)
    assert gap(whole.network, parts.network) == 0.0
    momenta = [value for state in parts.optimizer.state.values() for value in state.values() if value.ndim == 4]
    assert momenta and all(each.is_contiguous(memory_format=torch.channels_last) for each in momenta)


# ------------------------------------------------------------------------------------------------------ compiling
@pytest.fixture(scope="module")
def compiled():
    """Return a compiled rule after two epochs with an odd last batch, and the eager one beside it."""
    x, y = images(16)
    rules = []
    said = []
    for option in (False, True):
        rule = GradientDescent(network(), "cross_entropy", optimizer=SGD(0.1, momentum=0.9), compile=option)
        rule.expect(Batch(x[:6], y[:6]))
        before = copy.deepcopy(rule.network.state_dict())
        rule.prepare(said.append)
        assert all(torch.equal(before[name], value) for name, value in rule.network.state_dict().items())
        rules.append(rule)
    figures = [learn(rule, x, y) for rule in rules]
    return rules[1], rules[0], figures, said


@needs_compiler
def test_compiled_steps_equal_eager_ones(compiled):
    fast, plain, (plain_losses, fast_losses), said = compiled
    assert fast._program._compiled is not None
    assert said == ["Compiling the network; this takes up to a minute the first time."]
    assert gap(fast.network, plain.network) < 1e-5
    assert fast_losses == pytest.approx(plain_losses, rel=1e-5)
    assert list(fast.state_dict()) == list(plain.state_dict())


@needs_compiler
def test_nothing_is_compiled_twice(compiled, monkeypatch):
    fast, *_ = compiled
    x, y = images(16, seed=4)
    with torch.compiler.set_stance("fail_on_recompile"):
        for rows in (6, 4, 6, 1 + 6 + 3):
            fast.step(Batch(x[:rows], y[:rows]))
        fast.evaluate(Batch(x[:6], y[:6]))
        fast.step(Batch(x[:6], y[:6]))
    assert fast.n_steps == 11


@needs_compiler
def test_class_numbers_that_do_not_exist_are_refused_in_words(compiled):
    fast, *_ = compiled
    x, y = images(6)
    with pytest.raises(ValueError, match="`targets` must be class numbers from 0 to 4"):
        fast.step(Batch(x, torch.full_like(y, 5)))
    with pytest.raises(ValueError, match="`targets` must be class numbers from 0 to 4"):
        fast.step(Batch(x, y - 5))


@needs_compiler
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda rule: pickle.loads(pickle.dumps(rule))])
def test_copies_of_a_compiled_rule_learn_alike(compiled, clone):
    fast, *_ = compiled
    rule, other = copy.deepcopy(fast), clone(fast)
    x, y = images(10, seed=6)  # not the compiled shape: quick
    assert other._program._compiled is None and other._program.signature == fast._program.signature
    assert learn(rule, x, y, size=5) == learn(other, x, y, size=5)
    assert gap(rule.network, other.network) == 0.0


@needs_compiler
def test_a_checkpoint_says_what_was_compiled_for(compiled):
    fast, *_ = compiled
    state = copy.deepcopy(fast.state_dict())
    other = GradientDescent(network(2), "cross_entropy", optimizer=SGD(0.1, momentum=0.9), compile=True)
    other.load_state_dict(state)
    assert other._program.signature == fast._program.signature
    x, y = images(4)
    other.step(Batch(x, y))  # the odd batch comes first after a resume, and is not compiled for
    assert other._program._compiled is None


def test_the_engine_shows_a_full_batch_before_the_clocks_start(monkeypatch):
    x, y = images(10)
    shown = []
    monkeypatch.setattr(Program, "compile", lambda self, network, objective, batch: shown.append(len(batch.x)))
    monkeypatch.setattr(Program, "ready", property(lambda self: bool(shown)))
    rule = GradientDescent(network(), "cross_entropy", compile=True)
    train(rule, ArraySource(x, y, batch_size=6, random_state=0), max_epochs=1)
    assert shown == [6]


def test_a_failing_compiler_leaves_eager_learning(monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no working C++ compiler\nlong trace")

    monkeypatch.setattr(torch, "compile", fails)
    x, y = images()
    ours, theirs = network(), network()
    rule = GradientDescent(ours, "cross_entropy", optimizer="sgd", compile=True)
    with pytest.warns(UserWarning, match="learns eagerly, since no C\\+\\+ compiler was found"):
        rule.step(Batch(x, y))
    plain = GradientDescent(theirs, "cross_entropy", optimizer="sgd")
    plain.step(Batch(x, y))
    assert gap(ours, theirs) == 0.0
    assert not rule.wants_example


def test_errors_of_the_network_are_not_taken_for_those_of_the_compiler():
    rule = GradientDescent(network(), "cross_entropy", compile=True)
    with pytest.raises(RuntimeError, match="expected input"):
        rule.step(Batch(torch.zeros(6, 2, 8, 8), torch.zeros(6, dtype=torch.int64)))


@needs_cuda
def test_cuda_graphs_equal_plain_steps():
    x, y = (part.cuda() for part in images(12))
    ours, theirs = network().cuda(), network().cuda()
    rule = GradientDescent(ours, "cross_entropy", optimizer=SGD(0.1), cuda_graphs=True)
    learn(rule, x, y, epochs=4)
    learn(GradientDescent(theirs, "cross_entropy", optimizer=SGD(0.1)), x, y, epochs=4)
    assert gap(ours, theirs) < 1e-4
