"""The fast layers against torch's in float64: outputs, derivatives, statistics, odd sizes, threads."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from strata._threads import limit_threads
from strata.rules.fast.norm import FastNorm, is_plain_norm
from strata.rules.fast.norm_kernels import LANES
from strata.rules.fast.sharing import share
from strata.rules.fast.thin import ThinConv, ThinPool, is_thin
from strata.rules.fast.winograd import SquareConv, is_square_convolution
from strata.rules.fast.winograd_kernels import _INPUT, _OUTPUT, KERNEL_MATRIX, STEP

WIDE = STEP


def random(*shape, seed=0, scale=1.0):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale
    return x.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else x


def seeded(layer, seed=1):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3 + 0.1)
    return layer


def outcome(call, parameters, x, *others):
    """Return the output and all derivatives for a fixed gradient of the output."""
    inputs = [each.detach().clone().requires_grad_() for each in (x, *others)]
    y = call(*inputs)
    slope = torch.randn(y.shape, generator=torch.Generator().manual_seed(9)).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, [*inputs, *parameters], slope)]


def relative_gaps(ours, exact):
    return [
        float((a.double() - b).abs().max() / b.abs().max().clamp_min(1e-12)) for a, b in zip(ours, exact, strict=True)
    ]


def exact_outcome(layer, x, *others, call=None):
    layer = copy.deepcopy(layer).double()
    inputs = [each.double() for each in (x, *others)]
    return outcome((lambda *z: call(layer, *z)) if call else layer, list(layer.parameters()), *inputs)


# ---------------------------------------------------------------------------------------------- Winograd's convolution
def test_the_matrices_give_the_convolution_in_one_dimension():
    signal, kernel = np.arange(1.0, 7.0) ** 2, np.array([2.0, -1.0, 5.0])
    short = np.array(_OUTPUT) @ ((KERNEL_MATRIX @ kernel) * (np.array(_INPUT) @ signal))
    np.testing.assert_allclose(short, [signal[i : i + 3] @ kernel for i in range(4)], atol=1e-12)


@pytest.mark.parametrize(
    ("n", "c_in", "c_out", "height", "width", "bias"),
    [
        (3, WIDE, 2 * WIDE, 8, 12, False),
        (5, 2 * WIDE, WIDE, 7, 9, True),
        (2, WIDE, WIDE, 4, 3, False),
        (17, WIDE, WIDE, 9, 7, False),
        (3, 3 * WIDE, 2 * WIDE, 8, 8, False),
    ],
)
def test_square_convolution_equals_the_direct_one(n, c_in, c_out, height, width, bias):
    layer = seeded(nn.Conv2d(c_in, c_out, 3, padding=1, bias=bias))
    x = random(n, c_in, height, width)
    assert is_square_convolution(layer)
    ours = outcome(SquareConv(layer), list(layer.parameters()), x)
    assert max(relative_gaps(ours, exact_outcome(layer, x))) < 2e-5
    assert ours[0].is_contiguous(memory_format=torch.channels_last)


def test_square_convolution_in_several_blocks_and_threads_is_reproducible():
    layer, x = seeded(nn.Conv2d(WIDE, WIDE, 3, padding=1, bias=False)), random(40, WIDE, 16, 16)
    results = []
    for n_threads in (1, 2, 2):
        with limit_threads(n_threads):
            results.append(outcome(SquareConv(layer), list(layer.parameters()), x))
    exact = exact_outcome(layer, x)
    assert max(relative_gaps(results[0], exact)) < 2e-5 and max(relative_gaps(results[1], exact)) < 2e-5
    assert all(torch.equal(a, b) for a, b in zip(results[1], results[2], strict=True))


def test_memory_of_another_size_leaves_nothing_behind():
    layer = seeded(nn.Conv2d(WIDE, WIDE, 3, padding=1, bias=False))
    parameters = list(layer.parameters())
    first = outcome(SquareConv(layer), parameters, random(2, WIDE, 7, 7))
    outcome(SquareConv(layer), parameters, random(3, WIDE, 8, 8, scale=100.0))
    outcome(SquareConv(layer), parameters, random(2, WIDE, 7, 7, seed=3, scale=100.0))
    again = outcome(SquareConv(layer), parameters, random(2, WIDE, 7, 7))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_tiny_images_go_the_direct_way_and_so_do_none():
    layer, x = seeded(nn.Conv2d(WIDE, WIDE, 3, padding=1, bias=False)), random(2, WIDE, 2, 2)
    assert torch.equal(SquareConv(layer)(x), layer(x))
    assert SquareConv(layer)(random(0, WIDE, 8, 8)).shape == (0, WIDE, 8, 8)


def test_the_first_layer_asks_for_no_derivative_of_the_images():
    layer = seeded(nn.Conv2d(WIDE, WIDE, 3, padding=1, bias=False))
    SquareConv(layer)(random(2, WIDE, 8, 8)).sum().backward()
    expected = copy.deepcopy(layer)
    expected.zero_grad()
    expected(random(2, WIDE, 8, 8)).sum().backward()
    torch.testing.assert_close(layer.weight.grad, expected.weight.grad, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [{"stride": 2}, {"dilation": 2}, {"groups": 2}, {"kernel_size": 5}, {"padding": 0}, {"padding_mode": "reflect"},
     {"in_channels": WIDE - 1}, {"out_channels": STEP // 2}, {"out_channels": 3 * STEP // 2}],
)  # fmt: skip
def test_other_convolutions_are_left_alone(changes):
    options = {"in_channels": WIDE, "out_channels": WIDE, "kernel_size": 3, "padding": 1, **changes}
    assert not is_square_convolution(nn.Conv2d(**options))
    assert not is_square_convolution(nn.Conv2d(WIDE, WIDE, 3, padding=1).double())


# ------------------------------------------------------------------------------------------------ batch normalization
@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize("size", [(3, 5, 6), (40, 16, 16)])
def test_norm_equals_torch(rectified, summed, size):
    n, height, width = size
    layer = seeded(nn.BatchNorm2d(WIDE))
    reference = copy.deepcopy(layer).double()
    x = random(n, WIDE, height, width, scale=2.0) + 5.0
    others = [random(n, WIDE, height, width, seed=4)] if summed else []

    def call(norm, x, *residual):
        y = norm(x)
        for each in residual:
            y = y + each
        return torch.relu(y) if rectified else y

    ours = outcome(FastNorm(layer, rectified=rectified), list(layer.parameters()), x, *others)
    inputs = [each.double() for each in (x, *others)]
    exact = outcome(lambda *z: call(reference, *z), list(reference.parameters()), *inputs)
    on_the_edge = (exact[0].abs() < 1e-5).any() if rectified else False
    assert max(relative_gaps(ours, exact)[:1]) < 1e-5
    if not on_the_edge:
        assert max(relative_gaps(ours, exact)) < 5e-5
    torch.testing.assert_close(layer.running_mean, reference.running_mean.float())
    torch.testing.assert_close(layer.running_var, reference.running_var.float())
    assert int(layer.num_batches_tracked) == 1


def test_norm_in_threads_is_reproducible():
    layer, x = seeded(nn.BatchNorm2d(WIDE)), random(40, WIDE, 16, 16)
    results = []
    for n_threads in (2, 2, 1):
        with limit_threads(n_threads):
            results.append(outcome(FastNorm(copy.deepcopy(layer), rectified=True), [], x))
    assert all(torch.equal(a, b) for a, b in zip(results[0], results[1], strict=True))
    torch.testing.assert_close(results[0][1], results[2][1], rtol=1e-4, atol=1e-5)


def test_a_frozen_norm_uses_its_statistics():
    layer = seeded(nn.BatchNorm2d(WIDE)).eval()
    x, residual = random(3, WIDE, 4, 4), random(3, WIDE, 4, 4, seed=2)
    before = copy.deepcopy(layer.state_dict())
    assert torch.equal(FastNorm(layer, rectified=True)(x, residual), torch.relu(layer(x) + residual))
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())


def test_norm_shows_what_is_not_a_number():
    x = random(2, WIDE, 4, 4)
    x[0, 1, 2, 3] = float("nan")
    y = FastNorm(nn.BatchNorm2d(WIDE), rectified=True)(x)
    assert torch.isnan(y[:, 1]).all() and not torch.isnan(y[:, 0]).any()


def test_norms_that_fit():
    assert is_plain_norm(nn.BatchNorm2d(WIDE))
    for other in (nn.BatchNorm2d(WIDE, affine=False), nn.BatchNorm2d(WIDE, momentum=None), nn.BatchNorm2d(LANES - 1),
                  nn.BatchNorm2d(WIDE, track_running_stats=False), nn.BatchNorm2d(WIDE).double(), None):  # fmt: skip
        assert not is_plain_norm(other)


# -------------------------------------------------------------------------------------------------------- thin layers
@pytest.mark.parametrize(
    ("c_in", "c_out", "kernel", "padding", "size", "bias"),
    [(1, 6, 5, 2, (28, 28), True), (6, 16, 5, 0, (14, 14), True), (3, 4, 3, 1, (7, 11), False),
     (2, 5, (2, 4), (1, 0), (9, 6), True), (7, 3, 1, 0, (5, 5), True)],
)  # fmt: skip
def test_thin_convolution_equals_the_direct_one(c_in, c_out, kernel, padding, size, bias):
    layer = seeded(nn.Conv2d(c_in, c_out, kernel, padding=padding, bias=bias))
    assert is_thin(layer)
    conv, x = ThinConv(layer), random(3, c_in, *size)
    exact = exact_outcome(layer, x)
    for _ in range(2):  # memory is used again
        assert max(relative_gaps(outcome(conv, list(layer.parameters()), x), exact)) < 1e-5
    few = outcome(conv, list(layer.parameters()), x[:2])  # a smaller batch, then
    assert max(relative_gaps(few, exact_outcome(layer, x[:2]))) < 1e-5


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
def test_pooling_equals_torch_exactly(rectified, size):
    x = (random(3, 5, *size) * 3).round()  # with equals

    def torch_way(x):
        return F.max_pool2d(torch.relu(x) if rectified else x, 2)

    ours, theirs = outcome(ThinPool(rectified=rectified), [], x), outcome(torch_way, [], x)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_pooling_shows_what_is_not_a_number():
    for place in range(4):
        x = torch.ones(1, 1, 2, 2)
        x.view(-1)[place] = float("nan")
        assert torch.isnan(ThinPool(rectified=True)(x)).all()


# ------------------------------------------------------------------------------------------------------------ sharing
def test_all_parts_are_worked_on_once_and_errors_come_out():
    done = []
    with limit_threads(2):
        share(list(range(7)), lambda worker, parts: done.extend((worker, part) for part in parts))
        assert sorted(done) == [(0, 0), (0, 1), (0, 2), (1, 3), (1, 4), (1, 5), (1, 6)]
        assert torch.get_num_threads() == 2

        def fails(worker, parts):
            if worker == 1:
                raise RuntimeError("in a helper")

        with pytest.raises(RuntimeError, match="in a helper"):
            share([0, 1], fails)
        assert torch.get_num_threads() == 2
