"""The worked back-propagation examples of the lectures through the compiled rule's trace (canon A, 6.2 to 6.5)."""

import numpy as np
import pytest
import torch

from strata.data.sources import Batch
from strata.functional import ACTIVATIONS, Penalty
from strata.nn import DenseLoss, DenseNetwork, DenseSpec, Head
from strata.rules import SGD, GradientDescent
from strata.rules.compiled import CompiledDense

W1 = [[0.1, -0.2, 0.3], [0.4, 0.5, -0.6], [-0.7, 0.8, 0.9]]
B1, W2, B2 = [0.01, -0.02, 0.03], [[0.5, -0.4, 0.3]], [0.05]


def network(sizes, activation, head, weights, biases):
    spec = DenseSpec(sizes[0], tuple(sizes[1:-1]), (activation,) * (len(sizes) - 2), (head,))
    arrays = [np.array(w, dtype=np.float64).T.copy() for w in weights]
    return DenseNetwork.from_arrays(spec, arrays, [np.array(b, dtype=np.float64) for b in biases])


def example_331(hidden="logistic", output="logistic", loss="half_squared"):
    return network((3, 3, 1), hidden, Head(1, loss, activation=output), (W1, W2), (B1, B2))


def rows(x, y):
    return Batch(torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64))


def close(found, wanted):
    found = found.detach() if isinstance(found, torch.Tensor) else found
    np.testing.assert_allclose(np.asarray(found).squeeze(), np.array(wanted).squeeze(), rtol=0, atol=1e-9)


FIRST = ([[1.0, 0.5, -1.5]], [[1.0]])


def test_6_2_first_example():
    rule = CompiledDense(example_331(), optimizer=SGD(0.5))
    hidden, output = rule.trace(rows(*FIRST))
    close(hidden.z, [-0.44, 1.53, -1.62])
    close(hidden.a, [0.3917409693, 0.8220063142, 0.1652048702])
    close(output.z, -0.03337058)
    close(output.a, 0.4916581291)
    close(output.delta, -0.1270500938)
    close(hidden.delta, [-0.0151367471, 0.0074355780, -0.0052565282])
    close(output.grad_weight, [-0.0497707269, -0.1044359794, -0.0209892943])
    close(output.grad_bias, -0.1270500938)
    close(
        hidden.grad_weight.T,
        [
            [-0.0151367471, -0.0075683735, 0.0227051206],
            [0.0074355780, 0.0037177890, -0.0111533669],
            [-0.0052565282, -0.0026282641, 0.0078847923],
        ],
    )
    close(hidden.grad_bias, [-0.0151367471, 0.0074355780, -0.0052565282])
    assert float(rule.evaluate(rows(*FIRST))["loss"]) == pytest.approx(0.1292057289, abs=1e-9)


def test_6_2_one_step():
    net = example_331()
    rule = CompiledDense(net, optimizer=SGD(0.5))
    rule.step(rows(*FIRST))
    close(net.weights[1], [0.5248853635, -0.3477820103, 0.3104946471])
    close(net.biases[1], 0.1135250469)
    close(
        net.weights[0].T.detach(),
        [
            [0.1075683735, -0.1962158132, 0.2886474397],
            [0.3962822110, 0.4981411055, -0.5944233165],
            [-0.6973717359, 0.8013141320, 0.8960576039],
        ],
    )
    close(net.biases[0].detach(), [0.0175683735, -0.0237177890, 0.0326282641])
    assert float(rule.evaluate(rows(*FIRST))["loss"]) == pytest.approx(0.1139865866, abs=1e-9)


def test_6_2_second_example_and_batch():
    second = ([[-0.3, 2.0, 0.7]], [[0.0]])
    hidden, output = CompiledDense(example_331()).trace(rows(*second))
    close(hidden.a, [0.4476920904, 0.6082590307, 0.9220117649])
    close(output.a, 0.5761884705)
    close(hidden.delta, [0.0173953265, -0.0134106382, 0.0030352097])
    rule = CompiledDense(example_331(loss="squared_error"))
    both = rows(FIRST[0] + second[0], FIRST[1] + second[1])
    hidden, output = rule.trace(both)
    close(output.grad_weight, [0.0066103406, -0.0094261986, 0.0543700451])
    close(output.grad_bias, 0.0068262162)
    close(hidden.grad_bias, [0.0011292897, -0.0029875301, -0.0011106592])
    close(
        hidden.grad_weight.T,
        [
            [-0.0101776725, 0.0136111397, 0.0174409245],
            [0.0057293847, -0.0115517437, -0.0102704068],
            [-0.0030835456, 0.0017210777, 0.0050047195],
        ],
    )
    assert float(rule.evaluate(both)["loss"]) == pytest.approx(0.1476011528, abs=1e-9)


def test_6_2_tanh_and_linear():
    hidden, output = CompiledDense(example_331("tanh", "identity")).trace(rows(FIRST[0], [[0.25]]))
    close(hidden.a, [-0.4136444422, 0.9104245939, -0.9246242190])
    close(output.a, -0.7983793243)
    close(output.delta, -1.0483793243)
    close(hidden.delta, [-0.4344999070, 0.0717624281, -0.0456265335])
    close(output.grad_weight, [0.4336562808, -0.9544703206, 0.9693569140])
    close(hidden.grad_weight.T[0], [-0.4344999070, -0.2172499535, 0.6517498605])


W1_2, B1_2 = [[0.15, 0.2], [0.25, 0.3]], [0.35, -0.35]


def test_6_3():
    head = Head(1, "half_squared", activation="logistic")
    net = network((2, 2, 1), "logistic", head, (W1_2, [[0.4, -0.45]]), (B1_2, [0.6]))
    hidden, output = CompiledDense(net).trace(rows([[0.05, 0.1]], [[0.01]]))
    close(hidden.z, [0.3775, -0.3075])
    close(hidden.a, [0.5932699921, 0.4237250775])
    close(output.z, 0.6466317120)
    close(output.a, 0.6562510257)
    close(output.delta, 0.1457849363)
    close(hidden.delta, [0.0140712034, -0.0160191347])
    close(output.grad_weight, [0.0864898280, 0.0617727335])
    close(hidden.grad_weight.T, [[0.0007035602, 0.0014071203], [-0.0008009567, -0.0016019135]])


def test_6_4_softmax_and_cross_entropy():
    weights = (W1_2, [[0.4, -0.45], [0.5, 0.55]])
    net = network((2, 2, 2), "tanh", Head(2, "cross_entropy"), weights, (B1_2, [0.6, -0.1]))
    rule = CompiledDense(net)
    batch = rows([[0.05, 0.1]], [[1.0]])
    hidden, output = rule.trace(batch)
    close(hidden.a, [0.3605343934, -0.2981610485])
    close(output.z, [0.8783862292, -0.0837213800])
    close(output.a, [0.7235435851, 0.2764564149])
    close(output.delta, [0.7235435851, -0.7235435851])
    close(hidden.delta, [-0.0629493737, -0.6592205525])
    close(output.grad_weight.T, [[0.2608623475, -0.2157325140], [-0.2608623475, 0.2157325140]])
    close(hidden.grad_weight.T, [[-0.0031474687, -0.0062949374], [-0.0329610276, -0.0659220553]])
    assert float(rule.evaluate(batch)["loss"]) == pytest.approx(1.2857021019, abs=1e-9)


def test_6_5_xor_network():
    head = Head(1, "half_squared")
    net = network((2, 2, 1), "relu", head, ([[1, 1], [1, 1]], [[1, -2]]), ([0, -1], [0]))
    hidden, output = CompiledDense(net).trace(rows([[1.0, 1.0]], [[1.0]]))
    close(hidden.z, [2, 1])
    close(output.a, 0)
    close(output.delta, -1)
    close(hidden.delta, [-1, 2])
    close(output.grad_weight, [-2, -1])
    close(hidden.grad_weight.T, [[-1, -1], [2, 2]])
    close(hidden.grad_bias, [-1, 2])


@pytest.mark.parametrize("activation", sorted({a.name for a in ACTIVATIONS.values() if a.elementwise}))
def test_trace_equals_autograd(activation):
    spec = DenseSpec(
        3, (5, 4), (activation, activation), (Head(2, "mse", activation="tanh"), Head(3, "hinge", 2.0, "b"))
    )
    net = DenseNetwork(spec, dtype=torch.float64, seed=4)
    rng = np.random.default_rng(0)
    batch = rows(rng.normal(size=(9, 3)), np.hstack([rng.normal(size=(9, 2)), rng.integers(0, 3, (9, 1))]))
    penalty = Penalty(l1=0.1, l2=0.2)
    traces = CompiledDense(net, penalty=penalty).trace(batch)
    pairs = net.activations(batch.x)
    for z, _ in pairs[:-1]:
        z.retain_grad()
    scores = pairs[-1][0]
    scores.retain_grad()
    DenseLoss(spec)(scores, batch.y).backward()
    for trace, (z, a), weight, bias in zip(traces, pairs, net.weights, net.biases, strict=True):
        np.testing.assert_allclose(trace.z, z.detach(), atol=1e-12)
        np.testing.assert_allclose(trace.a, a.detach(), atol=1e-12)
        wanted = torch.zeros_like(z) if z.grad is None else z.grad
        np.testing.assert_allclose(trace.delta, wanted, atol=1e-12)
        pull = 0.2 * weight.detach() + 0.1 * weight.detach().sign()
        np.testing.assert_allclose(trace.grad_weight, weight.grad + pull, atol=1e-12)
        np.testing.assert_allclose(trace.grad_bias, bias.grad, atol=1e-12)


def test_permuting_hidden_units_permutes_gradients():
    net, order = example_331(), [2, 0, 1]
    other = network(
        (3, 3, 1),
        "logistic",
        Head(1, "half_squared", activation="logistic"),
        ([W1[i] for i in order], [[W2[0][i] for i in order]]),
        ([B1[i] for i in order], B2),
    )
    left, right = CompiledDense(net).trace(rows(*FIRST)), CompiledDense(other).trace(rows(*FIRST))
    np.testing.assert_allclose(right[0].grad_weight, left[0].grad_weight[:, order], atol=1e-15)
    np.testing.assert_allclose(right[1].grad_weight, left[1].grad_weight[order], atol=1e-15)


def test_dropped_units_receive_no_gradient():
    spec = DenseSpec(3, (40,), ("tanh",), (Head(1, "mse"),), dropout=(0.0, 0.5))
    net = DenseNetwork(spec, dtype=torch.float64, seed=4)
    rng = np.random.default_rng(0)
    batch = rows(rng.normal(size=(1, 3)), [[1.0]])
    hidden, output = CompiledDense(net).trace(batch, dropout=True)
    dropped = hidden.delta[0] == 0
    assert 8 < int(dropped.sum()) < 32
    assert torch.equal(output.grad_weight[:, 0] == 0, dropped)
    autograd = GradientDescent(net, DenseLoss(spec), optimizer=SGD(0.1))
    autograd.step(batch)
    np.testing.assert_allclose(hidden.grad_weight, net.weights[0].grad, atol=1e-14)
    whole = CompiledDense(net).trace(batch)
    assert not (whole[0].delta == 0).any()
