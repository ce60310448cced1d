"""Networks with fast layers put in: which ones, the same scores and derivatives, the same learning, copies, resume."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from strata.data.sources import ArraySource, Batch
from strata.engine import Checkpointing, train
from strata.models import build
from strata.rules import SGD, GradientDescent
from strata.rules.fast import FastForm
from strata.rules.fast.winograd_kernels import STEP

WIDE = STEP

#: Name, side of the images, whether fast layers are found.
NETWORKS = [
    ("lenet5", 28, True),
    ("resnet8", 16, True),
    ("resnet20", 32, True),
    ("resnet18", 32, True),
    ("vgg11_bn", 32, True),
    ("googlenet", 64, True),
    ("lenet5_1998", 28, False),
]


def images(name, n=4, size=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    channels = 1 if name.startswith("lenet") else 3
    return torch.randn(n, channels, size, size, generator=generator), torch.randint(4, (n,), generator=generator)


def made(name, seed=1):
    torch.manual_seed(seed)
    network = build(name, n_classes=4) if name != "lenet5_1998" else build(name, n_classes=10)
    if name.startswith("vgg"):  # its dense layers are a hundred million weights, and none of them is a fast layer
        network.classifier = nn.Linear(512 * 7 * 7, 4)
    return network.to(memory_format=torch.channels_last)


def first(scores):
    return scores[0] if isinstance(scores, tuple) else scores


@pytest.mark.parametrize(("name", "size", "found"), NETWORKS)
def test_the_fast_form_computes_the_same(name, size, found):
    network = made(name)
    reference = copy.deepcopy(network).double()
    form = FastForm(network)
    assert form.found is found
    if not found:
        return
    x, y = images(name, size=size)
    network.train(), reference.train()
    for each in (*network.modules(), *reference.modules()):
        if isinstance(each, nn.Dropout):
            each.eval()
    ours, exact = form(network, x), reference(x.double())
    assert type(ours) is type(exact)
    torch.testing.assert_close(first(ours).double(), first(exact), rtol=2e-3, atol=2e-3)
    nn.functional.cross_entropy(first(ours), y).backward()
    nn.functional.cross_entropy(first(exact), y).backward()
    whole = sum(float(p.grad.square().sum()) for p in reference.parameters() if p.grad is not None) ** 0.5
    for (label, one), other in zip(network.named_parameters(), reference.parameters(), strict=True):
        if other.grad is None:
            assert one.grad is None, label
            continue
        error = float((one.grad.double() - other.grad).norm() / (other.grad.norm() + 1e-3 * whole))
        assert error < 2e-2, f"{label}: {error}"  # batch norms of four images magnify rounding
    for one, other in zip(network.buffers(), reference.buffers(), strict=True):
        torch.testing.assert_close(one.double(), other.double(), rtol=1e-3, atol=1e-3)


def test_which_layers_are_replaced():
    code = FastForm(made("resnet20"))._call.__self__.graph
    kinds = [node.op for node in code.nodes]
    # of 19 convolutions 16 are squares, the first and two with a stride are not; 19 norms take 19 rectifiers along
    assert kinds.count("call_module") == 3 + 1
    assert FastForm(made("resnet20")).is_thin is False and FastForm(made("lenet5")).is_thin is True


def test_networks_of_others_are_not_looked_into():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3)

        def forward(self, x):
            return self.conv(x).mean((2, 3))

    assert not FastForm(Own()).found
    assert not FastForm(nn.Sequential(Own(), nn.ReLU())).found
    assert FastForm(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())).found


def layers(kind, after):
    last = [nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    if kind == "thin":
        first_ = [nn.Conv2d(3, 4, 3, padding=1), after()]
        return nn.Sequential(*first_, nn.Conv2d(4, 6, 3), nn.MaxPool2d(2), after(), *last, nn.Linear(24, 4))
    norms = [nn.BatchNorm2d(WIDE), after()] if kind == "norm" else [after()]
    first_ = [nn.Conv2d(3, WIDE, 1), nn.Conv2d(WIDE, WIDE, 3, padding=1, bias=False), *norms]
    return nn.Sequential(*first_, nn.Conv2d(WIDE, WIDE, 3, padding=1), after(), *last, nn.Linear(4 * WIDE, 4))


def assert_the_same(network, x, y):
    """Compare a training pass of the fast form, and its derivatives, with float64."""
    plain = copy.deepcopy(network).double()
    form = FastForm(network)
    assert form.found
    for call, scores in ((plain, plain(x.double())), (network, form(network, x))):
        call.scores = scores.detach()
        nn.functional.cross_entropy(scores, y).backward()
    torch.testing.assert_close(network.scores.double(), plain.scores, rtol=1e-4, atol=1e-5)
    for one, other in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad.double(), other.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("after", [nn.ReLU, nn.LeakyReLU, nn.SiLU, nn.Hardswish, nn.ELU])
@pytest.mark.parametrize("kind", ["thin", "square", "norm"])
def test_layers_that_work_in_place_may_follow(kind, after):
    torch.manual_seed(3)
    network = layers(kind, lambda: after(inplace=True)).train()
    x, y = torch.randn(5, 3, 9, 10), torch.arange(5) % 4
    assert_the_same(network, x, y)


def test_layers_with_hooks_stay_as_they_are():
    torch.manual_seed(3)
    x, y = torch.randn(5, 3, 9, 10), torch.arange(5) % 4
    network = layers("square", nn.ReLU)
    seen = []
    network[1].register_forward_hook(lambda *_: seen.append("layer"))
    assert_the_same(network.train(), x, y)
    assert seen == ["layer"] * 2
    inner = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1))
    inner[0].register_forward_pre_hook(lambda *_: seen.append("sequence"))
    form = FastForm(inner)
    assert form.found
    form(inner, x)
    assert seen == ["layer"] * 2 + ["sequence"]
    inner.register_forward_hook(lambda *_: None)
    assert not FastForm(inner).found


def test_pruned_layers_stay_pruned():
    torch.manual_seed(3)
    x, y = torch.randn(5, 3, 9, 10), torch.arange(5) % 4
    pruned = prune.random_unstructured(layers("thin", nn.ReLU)[0], "weight", 0.5)
    network = nn.Sequential(pruned, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))
    rule = GradientDescent(network, "cross_entropy", optimizer=SGD(0.1), fused=True)
    for _ in range(3):
        rule.step(Batch(x, y))
    network.eval()(x)
    assert float((pruned.weight == 0).float().mean()) >= 0.49


def test_tracing_leaves_every_mode_as_it_was():
    network = made("resnet8")
    network.eval()
    network.layer1.train()
    modes = [module.training for module in network.modules()]
    assert FastForm(network).found
    assert [module.training for module in network.modules()] == modes


def rule_of(name="resnet8", **options):
    return GradientDescent(
        made(name), "cross_entropy", optimizer=SGD(0.02, momentum=0.9), fused=True, memory_format="channels_last",
        **options,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "size"), [("resnet8", 16), ("lenet5", 28)])
def test_learning_is_that_of_plain_layers(name, size):
    x, y = images(name, n=24, size=size)
    fast = rule_of(name)
    plain = GradientDescent(made(name), "cross_entropy", optimizer=SGD(0.02, momentum=0.9))
    assert fast._fast is not None and plain._fast is None
    for rule in (fast, plain):
        rule.prepare(print)
    for _ in range(3):
        for i in range(0, 24, 8):
            losses = [float(rule.step(Batch(x[i : i + 8], y[i : i + 8]))["loss"]) for rule in (fast, plain)]
    assert losses[0] == pytest.approx(losses[1], rel=2e-3)
    assert list(fast.state_dict()) == list(plain.state_dict())
    scores = [rule.network.eval()(x) for rule in (fast, plain)]
    torch.testing.assert_close(*scores, rtol=2e-2, atol=2e-2)


def test_an_odd_last_batch_and_a_frozen_trunk():
    x, y = images("resnet8", n=11, size=16)
    rule = rule_of(frozen=("conv1", "bn1", "layer1"))
    before = copy.deepcopy(rule.network.state_dict())
    train(rule, ArraySource(x, y, batch_size=8, random_state=0), max_epochs=2)
    for name, value in rule.network.state_dict().items():
        if name.startswith(("conv1.", "bn1.", "layer1.")):
            assert torch.equal(before[name], value), name
    assert not torch.equal(before["layer3.0.conv1.weight"], rule.network.layer3[0].conv1.weight)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda rule: pickle.loads(pickle.dumps(rule))])
@pytest.mark.parametrize(("name", "size"), [("resnet8", 16), ("lenet5", 28)])
def test_copies_learn_alike_and_alone(clone, name, size):
    x, y = images(name, n=8, size=size)
    rule = rule_of(name)
    rule.step(Batch(x, y))
    other = clone(rule)
    figures = [float(each.step(Batch(x, y))["loss"]) for each in (rule, other)]
    assert figures[0] == figures[1]
    other.step(Batch(x, y))
    assert all(torch.equal(a, b) for a, b in zip(rule.step(Batch(x, y)).values(), other.evaluate(Batch(x, y)).values(),
                                                 strict=True)) is False  # fmt: skip


@pytest.mark.parametrize(("name", "size"), [("resnet8", 16), ("lenet5", 28)])
def test_resumes_bit_for_bit(tmp_path, name, size):
    x, y = images(name, n=20, size=size)

    def run(folder, max_steps=None, resume=False):
        rule = rule_of(name)
        train(rule, ArraySource(x, y, batch_size=8, random_state=3), max_epochs=3, max_steps=max_steps, resume=resume,
              checkpoint=Checkpointing(tmp_path / folder, every_steps=1))  # fmt: skip
        return rule.network.state_dict()

    whole = run("whole")
    run("parts", max_steps=4)
    parts = run("parts", resume=True)
    assert all(torch.equal(value, parts[key]) for key, value in whole.items())


def test_reduced_precision_and_doubles_keep_to_plain_layers():
    x, y = images("resnet8", n=4, size=16)
    assert rule_of(precision="bfloat16")._fast is None
    rule = GradientDescent(made("resnet8").double(), "cross_entropy", fused=True)
    rule.step(Batch(x.double(), y))
    assert rule._fast is None or rule.n_steps == 1
