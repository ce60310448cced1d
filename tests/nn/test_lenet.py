"""The layers of LeNet-5 of 1998, against loops in NumPy."""

import math

import numpy as np
import pytest
import torch

from strata.models.lenet5_1998 import C3_TABLE
from strata.nn import EuclideanRBF, PartialConv2d, ScaledTanh, Subsampling, digit_codes


def test_scaled_tanh_goldens():
    squash = ScaledTanh()
    x = torch.tensor([0.0, 0.5, 1.0, -1.0, 2.0], dtype=torch.float64)
    expected = [0.0, 0.551684, 0.999997, -0.999997, 1.492939]
    np.testing.assert_allclose(squash(x).numpy(), expected, atol=6e-7)
    z = torch.tensor([0.3, -1.4], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(squash(z).sum(), z)
    by_hand = [1.7159 * 2 / 3 * (1 - math.tanh(2 / 3 * value) ** 2) for value in z.tolist()]
    np.testing.assert_allclose(slope.numpy(), by_hand, rtol=1e-12)


def test_subsampling_adds_squares():
    layer = Subsampling(3, size=2).double()
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)  # the fifth row fills no square
    out = layer(x).detach().numpy()
    assert out.shape == (2, 3, 2, 3)
    for n, c, i, j in np.ndindex(out.shape):
        total = sum(float(x[n, c, 2 * i + a, 2 * j + b]) for a in range(2) for b in range(2))
        expected = total * float(layer.coefficient[c].detach()) + float(layer.bias[c].detach())
        assert out[n, c, i, j] == pytest.approx(expected, rel=1e-12)
    assert torch.autograd.gradcheck(layer, x.requires_grad_())


def test_partial_convolution_looks_at_its_own_channels():
    table = [(0, 2), (1,), (3, 0, 1)]
    layer = PartialConv2d(table, 3).double()
    assert [p.shape for p in layer.parameters()] == [(6, 3, 3), (3,)]
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    out = layer(x).detach().numpy()
    weight, bias, image = layer.weight.detach().numpy(), layer.bias.detach().numpy(), x.numpy()
    assert out.shape == (2, 3, 3, 4)
    for n, i, j in np.ndindex(2, 3, 4):
        pair = 0
        for row, inputs in enumerate(table):
            total = bias[row]
            for channel in inputs:
                total += (image[n, channel, i : i + 3, j : j + 3] * weight[pair]).sum()
                pair += 1
            assert out[n, row, i, j] == pytest.approx(total, rel=1e-12)
    assert torch.autograd.gradcheck(layer, x.requires_grad_())


def test_the_table_of_the_paper():
    layer = PartialConv2d(C3_TABLE, 5)
    assert sum(p.numel() for p in layer.parameters()) == 1516
    dense = layer.dense_weight()
    assert dense.shape == (16, 6, 5, 5)
    connected = dense.detach().abs().sum((2, 3)) > 0
    assert connected.sum(1).tolist() == [3] * 6 + [4] * 9 + [6]
    assert connected.sum(0).tolist() == [10] * 6
    assert [tuple(np.flatnonzero(row)) for row in connected.numpy()] == [tuple(sorted(row)) for row in C3_TABLE]


@pytest.mark.parametrize("row", [(), (1, 1), (-1, 0)])
def test_a_table_with_a_wrong_row_is_refused(row):
    with pytest.raises(ValueError, match=r"`table` must name at least one input channel .* Received: table\[1\]="):
        PartialConv2d([(0,), row], 3)


def test_partial_starts_within_the_bound_of_each_unit():
    layer = PartialConv2d([(0,), (0, 1, 2, 3)], 5)
    bounds = [2.4 / 25, *[2.4 / 100] * 4]
    largest = layer.weight.detach().abs().amax((1, 2)).tolist()
    assert all(0.6 * bound < value <= bound for value, bound in zip(largest, bounds, strict=True))


def test_rbf_measures_squared_distances():
    layer = EuclideanRBF(torch.tensor([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])).double()
    x = torch.tensor([[0.5, 0.0, 2.0], [1.0, -1.0, 1.0]], dtype=torch.float64, requires_grad=True)
    assert layer(x).tolist() == [[0.25 + 1 + 1, 2.25 + 1 + 1], [0.0, 4.0]]
    assert torch.autograd.gradcheck(layer, x)
    assert list(layer.parameters()) == []
    assert list(layer.state_dict()) == ["codes"]
    with pytest.raises(ValueError, match=r"`codes` must have shape \(n_classes, n_inputs\). Received: \(3,\)."):
        EuclideanRBF(torch.ones(3))


def test_codes_are_the_drawn_digits_then_random():
    codes = digit_codes()
    assert codes.shape == (10, 84)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    seven = codes[7].view(12, 7)
    assert ["".join("#" if v > 0 else "." for v in row) for row in seven.tolist()] == [
        "#######", ".....##", ".....##", "....##.", "...##..", "...##..", "..##...", "..##...", "..##...", "..##...",
        ".......", ".......",
    ]  # fmt: skip
    distances = (codes[:, None] - codes).square().sum(2)
    assert float(distances[~torch.eye(10, dtype=torch.bool)].min()) >= 4 * 8  # at least 8 points differ
    more = digit_codes(13)
    assert torch.equal(more[:10], codes) and torch.equal(more, digit_codes(13))
    assert torch.equal(digit_codes(3), codes[:3])
    assert digit_codes(4, n_bits=20).shape == (4, 20)


def test_codes_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    digit_codes(20)
    assert torch.equal(before, torch.get_rng_state())


def test_another_number_of_outputs():
    layer = EuclideanRBF(digit_codes()).double().with_outputs(4)
    assert layer.codes.dtype == torch.float64
    assert torch.equal(layer.codes, digit_codes(4).double())
