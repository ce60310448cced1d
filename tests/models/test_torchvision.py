"""Where torchvision has the network: the same names, and with the same weights the same outputs and gradients."""

import pytest
import torch
from torch import nn

from strata.models import build, count_connections, list_models, model_info

torchvision = pytest.importorskip("torchvision")

#: Pixels for each family: odd, so that every rounding of a size shows.
SIZES = {"alexnet": 95, "vgg": 39, "googlenet": 101, "resnet": 69, "squeezenet": 101}
ABSENT = {"alexnet_2012", "googlenet_paper", "lenet5", "lenet5_1998", "mobilenet_v1", "vgg16_c"}
CIFAR = {"resnet8", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110"}
SHARED_NETWORKS = sorted(set(list_models()) - ABSENT - CIFAR)
ORDINARY = torch.randn(1_000_003, generator=torch.Generator().manual_seed(5))


def fill(network):
    """Give a network without memory random weights of a sensible size, quickly: different ones at every place."""
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not tensor.is_floating_point():
                tensor.zero_()
                continue
            start = int(torch.randint(len(ORDINARY), (), generator=generator))
            flat = tensor.view(-1)
            done = 0
            while done < len(flat):
                part = ORDINARY[start : start + len(flat) - done]
                flat[done : done + len(part)] = part
                done, start = done + len(part), 0
            if tensor.ndim > 1:
                tensor.mul_((2 / tensor[0].numel()) ** 0.5)
            elif name.endswith("running_var") or "bn" in name and name.endswith("weight"):
                tensor.abs_().add_(0.5)
            else:
                tensor.mul_(0.1)
    return network


def pair(name):
    with torch.device("meta"):
        ours = build(name)
        extra = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
        theirs = getattr(torchvision.models, name)(weights=None, **extra)
    fill(ours)
    theirs.load_state_dict(ours.state_dict(), strict=True, assign=True)  # the same memory: 550 MB of VGG once
    assert list(ours.state_dict()) == list(theirs.state_dict())
    return ours, theirs


def picture(name, n=2):
    size = next(size for family, size in SIZES.items() if name.startswith(family))
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(7))


def close(one, other, tolerance):
    """Ask for agreement to a share of the largest value, without the copies of assert_close: some have 100 million."""
    assert one.shape == other.shape
    largest = float((one.detach() - other.detach()).abs_().max())
    assert largest <= tolerance * float(other.detach().abs().max())


def outputs(network, x):
    torch.manual_seed(8)  # of dropout
    out = network(x)
    return tuple(out) if isinstance(out, tuple) else (out,)


def run(network, x):
    """Return the outputs in training and the gradient of every parameter."""
    out = outputs(network.train(), x)
    upstream = torch.randn(2, 1000, generator=torch.Generator().manual_seed(9))
    return out, torch.autograd.grad(sum((each * upstream).sum() for each in out), list(network.parameters()))


def test_nothing_that_torchvision_has_is_left_out():
    both = [name for name in list_models() if hasattr(torchvision.models, name)]
    assert both == SHARED_NETWORKS


@pytest.mark.parametrize("name", SHARED_NETWORKS)
def test_outputs_and_gradients(name):
    ours, theirs = pair(name)
    x = picture(name)
    with torch.no_grad():
        evaluated = outputs(ours.eval(), x)[0]
        close(evaluated, outputs(theirs.eval(), x)[0], 1e-5)
    assert float(evaluated.std()) > 1e-3
    state = {key: value.clone() for key, value in ours.state_dict().items() if "running" in key}
    mine, gradients = run(ours, x)
    ours.load_state_dict(state, strict=False)  # the memory is shared: give the batch norms back what they moved
    other, expected = run(theirs, x)
    assert len(mine) == len(other) == (3 if name == "googlenet" else 1)
    for one, two in zip(mine, other, strict=True):
        close(one, two, 1e-5)
    for (key, _), one, two in zip(ours.named_parameters(), gradients, expected, strict=True):
        assert float(two.abs().max()) > 0, key
        close(one, two, 1e-4)


def test_the_tolerance_can_tell():
    ours, theirs = pair("resnet18")
    x = picture("resnet18")
    ours.layer3[1].relu1 = nn.LeakyReLU(1e-3)
    with torch.no_grad(), pytest.raises(AssertionError):
        close(ours.eval()(x), theirs.eval()(x), 1e-5)


def test_googlenet_rescales_its_input_like_torchvision():
    with torch.device("meta"):
        theirs = torchvision.models.googlenet(weights=None, aux_logits=False, transform_input=True, init_weights=False)
        ours = build("googlenet", options={"aux_logits": False, "transform_input": True})
    fill(ours)
    theirs.load_state_dict(ours.state_dict(), strict=True, assign=True)
    x = picture("googlenet")
    with torch.no_grad():
        close(ours.eval()(x), theirs.eval()(x), 1e-5)
        assert ours.training is False and ours(x).shape == (2, 1000)


@pytest.mark.parametrize("name", SHARED_NETWORKS)
def test_facts_agree_with_the_weight_entries(name):
    """Counts, normalisation and smallest size as torchvision publishes them with its weights."""
    entry = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    info = model_info(name)
    transform = entry.transforms()
    assert (info.mean, info.std) == (tuple(transform.mean), tuple(transform.std))
    assert info.input_size == transform.crop_size[0]
    assert info.min_size == entry.meta["min_size"][0]
    with torch.device("meta"):
        network = build(name).eval()
    n_learned = sum(p.numel() for key, p in network.named_parameters() if not key.startswith("aux"))
    assert n_learned == entry.meta["num_params"]
    giga = count_connections(network, (3, info.input_size, info.input_size)) / 1e9
    assert giga == pytest.approx(entry.meta["_ops"], abs=0.012)
