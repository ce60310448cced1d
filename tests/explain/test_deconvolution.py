"""The deconvolutional network: against one written out with switches, unpooling and transposed filters."""

from collections import Counter

import pytest
import torch
from digit_networks import residual, sequential
from torch import nn
from torch.nn import functional as F

from strata.explain import deconvolve, feature_maps, strongest_units
from strata.explain._shifts import moved, offsets
from strata.models import build


def test_of_a_linear_network_it_is_the_transposed_map():
    net = nn.Sequential(nn.Conv2d(2, 3, 3, bias=False, stride=2), nn.Conv2d(3, 4, 2, bias=False)).double()
    x = torch.randn(2, 2, 9, 9, dtype=torch.float64)
    maps = net(x).detach()  # (2, 4, 3, 3)
    matrix = torch.autograd.functional.jacobian(lambda v: net(v.reshape(1, 2, 9, 9)).flatten(), x[0].flatten())
    for row in range(2):
        peak = int(maps[row, 1].argmax())
        unit = 1 * 9 + peak
        expected = matrix[unit] * maps[row, 1].flatten()[peak]
        assert torch.allclose(deconvolve(net, x, "1", 1)[row].flatten(), expected, atol=1e-12)


def written_out(net, x, unit):
    """Zeiler & Fergus, section 2.1, step by step, for conv relu pool conv relu."""
    first, second = net[0], net[3]
    pooled, switches = F.max_pool2d(first(x).relu(), 2, return_indices=True)
    maps = second(pooled).relu()
    kept = torch.zeros_like(maps)
    for row in range(len(x)):
        at = divmod(int(maps[row, unit].argmax()), maps.shape[3])
        kept[row, unit, at[0], at[1]] = maps[row, unit, at[0], at[1]]
    signal = F.conv_transpose2d(kept.relu(), second.weight, padding=1)
    signal = F.max_unpool2d(signal, switches, 2).relu()
    return F.conv_transpose2d(signal, first.weight, padding=1)


def test_it_unpools_rectifies_and_filters(digit_net, digit_images):
    x = digit_images[0][:6]
    with torch.no_grad():
        for unit in (0, 5, 11):
            assert torch.allclose(deconvolve(digit_net, x, "4", unit), written_out(digit_net, x, unit), atol=1e-5)
    backprop = deconvolve(digit_net, x, "4", 5, rule="backprop")
    assert not torch.allclose(backprop, deconvolve(digit_net, x, "4", 5), atol=1e-3)  # and the test can tell


def test_unpooling_what_was_pooled_keeps_exactly_the_maxima(digit_images):
    net = nn.Sequential(nn.Identity(), nn.MaxPool2d(2))
    x = digit_images[0][:1] + 0.01 * torch.rand(1, 1, 8, 8)  # no ties
    total = sum(deconvolve(net, x, "1", 0, position=(i, j)) for i in range(4) for j in range(4))
    windows = x.reshape(4, 2, 4, 2).permute(0, 2, 1, 3).reshape(4, 4, 4)
    maxima = windows == windows.amax(2, keepdim=True)
    expected = torch.where(maxima, windows, 0).reshape(4, 4, 2, 2).permute(0, 2, 1, 3).reshape(1, 1, 8, 8)
    assert torch.equal(total, expected)
    assert (total != 0).sum() == 16


def test_pools_that_overlap_add_what_goes_back_to_one_place():
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1.0
    net = nn.Sequential(nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(4, 1, bias=False))
    nn.init.ones_(net[2].weight)
    pattern = deconvolve(net, x, "2", 0)
    assert pattern[0, 0, 2, 2] == 4 * 4 and pattern.count_nonzero() == 1  # four windows, the activation is 4


@pytest.mark.parametrize("layer", ["0", "2", "3", "4", "7"])
def test_residual_networks_have_it_too(residual_net, digit_images, layer):
    x = digit_images[0][:3]
    pattern = deconvolve(residual_net, x, layer, 2)
    activation = feature_maps(residual_net, x, [layer])[layer]
    awake = activation[:, 2].reshape(3, -1).any(1)
    assert pattern.shape == x.shape and pattern.isfinite().all()
    assert torch.equal(pattern.flatten(1).any(1), awake)


def test_a_residual_block_written_out(residual_net, digit_images):
    """conv-norm-relu, then relu(second(relu(norm(first(v)))) + v): the signal goes back along both ways, rectified."""
    net, x = residual_net, digit_images[0][:2]
    with torch.no_grad():
        maps = net[3](net[2](net[1](net[0](x))))
        kept = torch.zeros_like(maps)
        kept[:, 4, 1, 2] = maps[:, 4, 1, 2]
        signal = kept.relu()  # the sum's rectifier
        scale = {n: (n.weight / (n.running_var + n.eps).sqrt())[None, :, None, None] for n in (net[1], net[3].norm)}
        inner = F.conv_transpose2d(signal, net[3].second.weight, padding=1).relu() * scale[net[3].norm]
        signal = F.conv_transpose2d(inner, net[3].first.weight, padding=1) + signal
        expected = F.conv_transpose2d(signal.relu() * scale[net[1]], net[0].weight, stride=2, padding=1)
    assert torch.allclose(deconvolve(net, x, "3", 4, position=(1, 2)), expected, atol=1e-5)


def test_a_silent_unit_has_no_pattern():
    net = sequential(0).eval()
    with torch.no_grad():
        net[3].bias[7] = -1e3
    assert not deconvolve(net, torch.rand(1, 1, 8, 8), "4", 7).any()


def test_the_position_may_be_given(digit_net, digit_images):
    x = digit_images[0][:1]
    pattern = deconvolve(digit_net, x, "1", 3, position=(2, 5))
    rows, columns = pattern[0, 0].nonzero().T
    if len(rows):
        assert rows.min() >= 1 and rows.max() <= 3 and columns.min() >= 4 and columns.max() <= 6
    alone = feature_maps(digit_net, x, ["1"])["1"][0, 3, 2, 5] * digit_net[0].weight[3, 0]
    assert torch.allclose(pattern[0, 0, 1:4, 4:7], alone, atol=1e-6)


def test_units_that_answer_most():
    maps = torch.zeros(2, 4, 3, 3)
    maps[0, 2, 1, 1], maps[1, 0, 0, 0], maps[0, 1] = 5.0, 7.0, -1.0
    assert strongest_units(maps) == [0, 2]
    assert strongest_units(maps, 1) == [0]
    with pytest.raises(ValueError, match="`k` must be at least 1"):
        strongest_units(maps, 0)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"layer": "44"}, ValueError, "Unknown layer '44'. Did you mean '4'"),
        ({"unit": 32}, ValueError, "`unit` must be from 0 to 31. Received: unit=32"),
        ({"unit": True}, TypeError, "`unit` must be the number of a channel. Received: True"),
        (
            {"position": (4, 0)},
            ValueError,
            r"`position` must lie in a map of shape \(4, 4\). Received: position=\(4, 0\)",
        ),
        ({"position": (1,)}, ValueError, r"`position` must lie in a map of shape \(4, 4\)"),
        ({"rule": "deconv"}, ValueError, "Unknown rule 'deconv'. Did you mean 'deconvnet'"),
    ],
)
def test_wrong_arguments_are_refused(settings, kind, message):
    with pytest.raises(kind, match=message):
        deconvolve(sequential(0), torch.rand(1, 1, 8, 8), **({"layer": "4", "unit": 1} | settings))


def test_of_a_layer_that_does_not_run_nothing_can_be_said():
    net = residual(0)
    net.add_module("idle", nn.ModuleList([nn.Linear(2, 2)]))
    net.forward = lambda x: nn.Sequential.forward(net[:8], x)
    with pytest.raises(ValueError, match="`layer` must give a tensor when the network runs. Received: 'idle.0'"):
        deconvolve(net, torch.rand(1, 1, 8, 8), "idle.0", 0)


def test_a_deep_network_for_photographs():
    pattern = deconvolve(build("resnet18"), torch.rand(1, 3, 64, 64), "layer3", 5)
    assert pattern.shape == (1, 3, 64, 64) and pattern.isfinite().all()


def test_copies_that_are_moved_take_the_grid_of_a_stride_away():
    net = nn.Sequential(nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False), nn.ReLU(), nn.Conv2d(1, 1, 3, padding=1))
    for layer in (net[0], net[2]):
        nn.init.constant_(layer.weight, 1.0)
    x = torch.ones(1, 1, 32, 32)
    plain = deconvolve(net, x, "2", 0, position=(8, 8))[0, 0]
    mean = deconvolve(net, x, "2", 0, position=(8, 8), shifted=True)[0, 0]

    def stripes(pattern):  # of period 2, inside the field of the unit
        inside = pattern[14:18, 14:18]
        return float((inside[1:] - inside[:-1]).abs().max() / inside.mean())

    assert stripes(plain) > 0.5 > 0.2 > stripes(mean)
    assert torch.allclose(plain.sum(), mean.sum(), rtol=0.05)


def test_copies_that_are_moved_follow_the_place(digit_net, digit_images):
    x = digit_images[0][:3]
    plain, mean = (deconvolve(digit_net, x, "4", 5, shifted=each) for each in (False, True))
    rows = torch.arange(x.shape[2], dtype=torch.float32)

    def centre(pattern):
        weight = pattern.abs().sum((1, 3))
        return (weight * rows).sum(1) / weight.sum(1)

    assert torch.allclose(centre(plain), centre(mean), atol=1.0)
    dense = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).eval()
    assert torch.equal(deconvolve(dense, x, "1", 1, shifted=True), deconvolve(dense, x, "1", 1))


def test_moves_meet_every_phase_of_a_grid_equally_often():
    for stride, n_moves in ((1, 1), (2, 4), (3, 16), (4, 16), (8, 16), (32, 16)):
        moves = offsets(stride)
        assert len(set(moves)) == len(moves) == n_moves
        for period in (2, 4):
            if period <= stride:
                counts = Counter((down % period, right % period) for down, right in moves)
                assert len(counts) == period**2 and len(set(counts.values())) == 1
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert moved(x, (1, -1))[0, 0].tolist() == [[1, 2, 3, 3], [1, 2, 3, 3], [5, 6, 7, 7]]
    assert torch.equal(moved(x, (0, 0)), x)
