"""What every registered network must do, tested by its being registered."""

import copy

import pytest
import torch

from strata.models import blocks_of, build, features_of, head_of, list_models, model_info, replace_head

#: Parameters by V§8 and V§2, named apart from the register.
COUNTS = {
    "alexnet": 61_100_840,
    "alexnet_2012": 60_965_224,
    "googlenet": 13_004_888,
    "googlenet_paper": 13_378_280,
    "lenet5": 61_706,
    "lenet5_1998": 60_000,
    "mobilenet_v1": 4_231_976,
    "resnet8": 75_290,
    "resnet18": 11_689_512,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet34": 21_797_672,
    "resnet44": 658_586,
    "resnet50": 25_557_032,
    "resnet56": 853_018,
    "resnet101": 44_549_160,
    "resnet110": 1_727_962,
    "resnet152": 60_192_808,
    "squeezenet1_1": 1_235_496,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg16_c": 133_638_952,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
}
#: Of a family whose members differ by depth only, the deepest are not run here; their counts and parity are tested.
DEEP = {f"resnet{depth}" for depth in (32, 34, 44, 56, 101, 110, 152)}
DEEP |= {"vgg13", "vgg16", "vgg19", "vgg13_bn", "vgg16_bn", "vgg19_bn"}
QUICK = sorted(set(list_models()) - DEEP)


def small(name, **arguments):
    """Build a network, the wide ones at an eighth of their width."""
    options = {"width": 0.125} if name.startswith(("alexnet", "vgg")) else {}
    return build(name, options=options, **arguments)


def images(name, n=2):
    info = model_info(name)
    size = min(info.input_size, max(info.min_size, 32))
    return torch.randn(n, info.in_channels, size, size, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def networks():
    return {}


@pytest.fixture
def network(request, networks):
    name = request.param
    if name not in networks:
        networks.clear()  # one at a time in memory
        networks[name] = small(name, seed=1)
    return copy.deepcopy(networks[name])


every = pytest.mark.parametrize("network", QUICK, indirect=True)


def test_the_counts_are_those_of_all_networks():
    assert sorted(COUNTS) == list(list_models())


@pytest.mark.parametrize("name", list_models())
def test_parameter_count_is_the_papers(name):
    with torch.device("meta"):
        network = build(name)
    assert sum(p.numel() for p in network.parameters()) == COUNTS[name] == model_info(name).n_parameters


@pytest.mark.parametrize("name", list_models())
def test_the_blocks_hold_every_parameter_once(name):
    with torch.device("meta"):
        network = build(name)
    blocks = blocks_of(network)
    assert blocks == model_info(name).blocks
    prefixes = [prefix for block in blocks for prefix in block]
    for parameter, _ in network.named_parameters():
        assert sum(parameter.startswith(f"{prefix}.") for prefix in prefixes) == 1, parameter
    if name != "lenet5_1998":  # whose head is fixed
        assert head_of(network) == blocks[-1][0]


@every
def test_forward_and_a_finite_gradient_in_every_parameter(network):
    name = network.strata_name
    out = network.train()(images(name))
    outputs = out if isinstance(out, tuple) else (out,)
    assert all(each.shape == (2, model_info(name).n_classes) and each.dtype == torch.float32 for each in outputs)
    sum(torch.nn.functional.cross_entropy(each, torch.tensor([1, 3])) for each in outputs).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.abs().max() > 0, key


@every
def test_evaluation_is_deterministic_and_blind_to_batch_mates(network):
    network.eval()
    x = images(network.strata_name, 3)
    with torch.no_grad():
        together, again, alone = network(x), network(x), network(x[1:2])
    assert torch.equal(together, again)
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5 * float(alone.abs().max()))
    assert not torch.equal(together[0], together[1])


@every
def test_the_state_goes_round(network):
    name = network.strata_name
    other = small(name, seed=2)
    x = images(name, 1)
    with torch.no_grad():
        assert not torch.equal(network.eval()(x), other.eval()(x))
        other.load_state_dict(network.state_dict(), strict=True)
        assert torch.equal(network(x), other(x))


@every
def test_features_are_what_the_head_sees_and_a_new_head_takes_them(network):
    name = network.strata_name
    x = images(name)
    with torch.no_grad():
        features = features_of(network.eval(), x)
        assert features.ndim == 2 and len(features) == 2
        replace_head(network, 7, seed=0)
        assert network(x).shape == (2, 7)
        assert torch.equal(features_of(network, x), features)
    out = network.train()(x)
    assert all(each.shape == (2, 7) for each in (out if isinstance(out, tuple) else (out,)))


@pytest.mark.parametrize("name", QUICK)
def test_other_channels_and_classes(name):
    size = min(model_info(name).input_size, max(model_info(name).min_size, 32))
    network = small(name, in_channels=2, n_classes=3, seed=0).eval()
    with torch.no_grad():
        assert network(torch.randn(1, 2, size, size)).shape == (1, 3)


@pytest.mark.parametrize("name", QUICK)
def test_it_takes_its_smallest_size(name):
    info = model_info(name)
    network = small(name, seed=0).eval()
    with torch.no_grad():
        out = network(torch.randn(1, info.in_channels, info.min_size, info.min_size))
    assert out.shape == (1, info.n_classes)
    assert torch.isfinite(out).all()
