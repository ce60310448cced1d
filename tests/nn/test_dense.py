"""The dense network against the worked examples of the canon (L section 6), NumPy, and scikit-learn."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from strata.functional import ACTIVATIONS, LOSSES, get_activation, get_loss, keep_mask
from strata.nn import DenseLoss, DenseNetwork, DenseSpec, Head

F64 = torch.float64
NAN = float("nan")


def t64(values: Any) -> Tensor:
    return torch.tensor(values, dtype=F64)


def network_of(
    weights: list, biases: list, hidden: tuple[str, ...], head: Head, **spec: Any
) -> tuple[DenseNetwork, DenseLoss]:
    """Build from the lectures' orientation, W of shape (n_out, n_in)."""
    coefs = [np.array(w, dtype=float).T.copy() for w in weights]
    intercepts = [np.atleast_1d(np.array(b, dtype=float)) for b in biases]
    sizes = [coefs[0].shape[0], *(c.shape[1] for c in coefs)]
    described = DenseSpec(sizes[0], tuple(sizes[1:-1]), hidden, (head,), **spec)
    return DenseNetwork.from_arrays(described, coefs, intercepts), DenseLoss(described)


def back_propagate(network: DenseNetwork, loss: DenseLoss, x: Any, y: Any) -> dict[str, Any]:
    """Every quantity of one step by automatic differentiation, in the lectures' orientation."""
    scores, pairs = None, []
    a = t64(x)
    for layer, (weight, bias) in enumerate(zip(network.matrices(), network.biases, strict=True)):
        z = a @ weight + bias
        z.retain_grad()
        a = z if layer == len(network.biases) - 1 else get_activation(network.spec.hidden_activations[layer])(z)
        pairs.append(z)
        scores = z
    network.zero_grad()
    value = loss(scores, t64(y))
    value.backward()
    own = loss(network(t64(x)), t64(y))
    assert own.item() == value.item()
    return {
        "J": value.item(),
        "delta": [z.grad.numpy() for z in pairs],
        "dW": [w.grad.T.numpy() for w in network.weights],
        "db": [b.grad.numpy() for b in network.biases],
        "za": [(z.detach().numpy(), a.detach().numpy()) for z, a in network.activations(t64(x))],
    }


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.squeeze(found), np.squeeze(np.array(expected)), rtol=0, atol=1e-9)


W1 = [[0.1, -0.2, 0.3], [0.4, 0.5, -0.6], [-0.7, 0.8, 0.9]]
B1 = [0.01, -0.02, 0.03]
W2 = [[0.5, -0.4, 0.3]]
B2 = [0.05]
FIRST, SECOND = [1.0, 0.5, -1.5], [-0.3, 2.0, 0.7]
SIGMOID_HEAD = Head(1, "half_squared", activation="logistic")


def sigmoid_331(loss: str = "half_squared") -> tuple[DenseNetwork, DenseLoss]:
    return network_of([W1, W2], [B1, B2], ("sigmoid",), Head(1, loss, activation="logistic"))


def test_example_6_2_first() -> None:
    network, loss = sigmoid_331()
    found = back_propagate(network, loss, [FIRST], [[1.0]])
    (z2, a2), (z3, a3) = found["za"]
    close(z2, [-0.44, 1.53, -1.62])
    close(a2, [0.3917409693, 0.8220063142, 0.1652048702])
    close([z3[0, 0], a3[0, 0], found["J"]], [-0.0333705800, 0.4916581291, 0.1292057289])
    close(found["delta"][1], -0.1270500938)
    close(found["delta"][0], [-0.0151367471, 0.0074355780, -0.0052565282])
    close(found["dW"][1], [-0.0497707269, -0.1044359794, -0.0209892943])
    close(found["db"][1], -0.1270500938)
    close(
        found["dW"][0],
        [
            [-0.0151367471, -0.0075683735, 0.0227051206],
            [0.0074355780, 0.0037177890, -0.0111533669],
            [-0.0052565282, -0.0026282641, 0.0078847923],
        ],
    )
    close(found["db"][0], found["delta"][0])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 0.5 * parameter.grad
    close(network.weights[1].detach(), [0.5248853635, -0.3477820103, 0.3104946471])
    close(network.biases[1].detach(), 0.1135250469)
    close(
        network.weights[0].detach().T,
        [
            [0.1075683735, -0.1962158132, 0.2886474397],
            [0.3962822110, 0.4981411055, -0.5944233165],
            [-0.6973717359, 0.8013141320, 0.8960576039],
        ],
    )
    close(network.biases[0].detach(), [0.0175683735, -0.0237177890, 0.0326282641])
    close(loss(network(t64([FIRST])), t64([[1.0]])).item(), 0.1139865866)


def test_example_6_2_second_and_both() -> None:
    network, loss = sigmoid_331()
    found = back_propagate(network, loss, [SECOND], [[0.0]])
    close(found["za"][0][0], [-0.21, 0.44, 2.47])
    close(found["za"][0][1], [0.4476920904, 0.6082590307, 0.9220117649])
    close([found["za"][1][1][0, 0], found["J"]], [0.5761884705, 0.1659965768])
    close(found["delta"][1], 0.1407025262)
    close(found["delta"][0], [0.0173953265, -0.0134106382, 0.0030352097])

    network, loss = sigmoid_331("squared_error")  # the mean over the examples
    both = back_propagate(network, loss, [FIRST, SECOND], [[1.0], [0.0]])
    close(both["J"], 0.1476011528)
    close(both["dW"][1], [0.0066103406, -0.0094261986, 0.0543700451])
    close(both["db"][1], 0.0068262162)
    close(both["db"][0], [0.0011292897, -0.0029875301, -0.0011106592])
    close(
        both["dW"][0],
        [
            [-0.0101776725, 0.0136111397, 0.0174409245],
            [0.0057293847, -0.0115517437, -0.0102704068],
            [-0.0030835456, 0.0017210777, 0.0050047195],
        ],
    )


def test_example_6_2_tanh_linear() -> None:
    network, loss = network_of([W1, W2], [B1, B2], ("tanh",), Head(1, "half_squared"))
    found = back_propagate(network, loss, [FIRST], [[0.25]])
    close(found["za"][0][1], [-0.4136444422, 0.9104245939, -0.9246242190])
    close([found["za"][1][1][0, 0], found["J"]], [-0.7983793243, 0.5495496039])
    close(found["delta"][1], -1.0483793243)
    close(found["delta"][0], [-0.4344999070, 0.0717624281, -0.0456265335])
    close(found["dW"][1], [0.4336562808, -0.9544703206, 0.9693569140])
    close(found["dW"][0][0], [-0.4344999070, -0.2172499535, 0.6517498605])


V1, C1 = [[0.15, 0.2], [0.25, 0.3]], [0.35, -0.35]


def test_example_6_3() -> None:
    network, loss = network_of([V1, [[0.4, -0.45]]], [C1, [0.6]], ("logistic",), SIGMOID_HEAD)
    found = back_propagate(network, loss, [[0.05, 0.1]], [[0.01]])
    (z2, a2), (z3, a3) = found["za"]
    close(z2, [0.3775, -0.3075])
    close(a2, [0.5932699921, 0.4237250775])
    close([z3[0, 0], a3[0, 0], found["J"]], [0.6466317120, 0.6562510257, 0.2088201941])
    close(found["delta"][1], 0.1457849363)
    close(found["delta"][0], [0.0140712034, -0.0160191347])
    close(found["dW"][1], [0.0864898280, 0.0617727335])
    close(found["db"][1], 0.1457849363)
    close(found["dW"][0], [[0.0007035602, 0.0014071203], [-0.0008009567, -0.0016019135]])


def test_example_6_4() -> None:
    network, loss = network_of(
        [V1, [[0.4, -0.45], [0.5, 0.55]]], [C1, [0.6, -0.1]], ("tanh",), Head(2, "cross_entropy")
    )
    found = back_propagate(network, loss, [[0.05, 0.1]], [[1.0]])
    (_, a2), (z3, p) = found["za"]
    close(a2, [0.3605343934, -0.2981610485])
    close(z3, [0.8783862292, -0.0837213800])
    close(p, [0.7235435851, 0.2764564149])
    close(found["J"], 1.2857021019)
    close(found["delta"][1], [0.7235435851, -0.7235435851])
    close(found["delta"][0], [-0.0629493737, -0.6592205525])
    close(found["dW"][1], [[0.2608623475, -0.2157325140], [-0.2608623475, 0.2157325140]])
    close(found["dW"][0], [[-0.0031474687, -0.0062949374], [-0.0329610276, -0.0659220553]])


def test_example_6_5_and_the_xor_network() -> None:
    network, loss = network_of([[[1, 1], [1, 1]], [[1, -2]]], [[0, -1], [0]], ("relu",), Head(1, "half_squared"))
    corners = t64([[0, 0], [1, 0], [0, 1], [1, 1]])
    assert network.predict(corners)[:, 0].tolist() == [0, 1, 1, 0]
    assert network.activations(corners)[0][1].tolist() == [[0, 0], [1, 0], [1, 0], [2, 1]]
    found = back_propagate(network, loss, [[1.0, 1.0]], [[1.0]])
    assert found["J"] == 0.5
    assert found["delta"][1].tolist() == [[-1.0]]
    assert found["delta"][0].tolist() == [[-1.0, 2.0]]
    assert found["dW"][1].tolist() == [[-2.0, -1.0]]
    assert found["dW"][0].tolist() == [[-1.0, -1.0], [2.0, 2.0]]
    assert found["db"][0].tolist() == [-1.0, 2.0]


def test_linear_layers_collapse_to_one_product() -> None:
    spec = DenseSpec(4, (5, 3), ("identity", "linear"), (Head(2, "mse"),))
    network = DenseNetwork(spec, dtype=F64, seed=2)
    x = torch.randn(6, 4, dtype=F64)
    product = network.weights[0] @ network.weights[1] @ network.weights[2]
    torch.testing.assert_close(network(x) - network(torch.zeros_like(x)), x @ product)


# ---- every hidden activation and every head, against central differences --------------------------------------------


def _targets_for(head: Head, n_rows: int) -> Tensor:
    rng = np.random.RandomState(4)
    kind = get_loss(head.loss).targets
    if head.index_targets:
        values = rng.randint(0, head.size, (n_rows, 1)).astype(float)
    elif kind == "real":
        values = rng.normal(0, 1, (n_rows, head.size))
    elif kind == "count":
        values = rng.poisson(2.0, (n_rows, head.size)).astype(float)
    elif kind in ("probs", "index_or_probs"):
        values = rng.dirichlet(np.ones(head.size), n_rows)
    else:
        values = rng.randint(0, 2, (n_rows, head.size)).astype(float)
    return torch.from_numpy(values)


HEADS = [
    *(Head(3, name) for name, loss in LOSSES.items() if loss.dense),
    *(Head(1, name) for name, loss in LOSSES.items() if loss.dense and name not in ("cross_entropy", "kl_divergence")),
    *(
        Head(3, name, activation=activation)
        for name in ("half_squared", "mse", "rss", "squared_error", "huber", "mae")
        for activation in ("softmax", "logistic", "tanh")
    ),
    Head(3, "cross_entropy", loss_options=(("soft", 1.0),)),
    Head(3, "huber", loss_options=(("delta", 0.2),)),
    Head(1, "focal", loss_options=(("gamma", 1.0), ("alpha", 0.25))),
]


def _gradcheck_parameters(network: DenseNetwork, loss: DenseLoss, x: Tensor, y: Tensor, w: Tensor | None) -> bool:
    names = [name for name, _ in network.named_parameters()]

    def value(*parameters: Tensor) -> Tensor:
        return loss(torch.func.functional_call(network, dict(zip(names, parameters, strict=True)), (x,)), y, w)

    return bool(torch.autograd.gradcheck(value, tuple(network.parameters())))


@pytest.mark.parametrize("head", HEADS, ids=lambda h: f"{h.loss}-{h.size}-{h.output_activation}-{h.loss_options}")
def test_gradients_of_every_head(head: Head) -> None:
    spec = DenseSpec(3, (4,), ("tanh",), (head,))
    network, loss = DenseNetwork(spec, dtype=F64, seed=1), DenseLoss(spec)
    x, w = torch.randn(5, 3, dtype=F64), torch.rand(5, dtype=F64)
    assert _gradcheck_parameters(network, loss, x, _targets_for(head, 5), w)


@pytest.mark.parametrize("name", sorted({a.name for a in ACTIVATIONS.values() if a.elementwise}))
def test_gradients_of_every_hidden_activation(name: str) -> None:
    spec = DenseSpec(3, (4, 3), (name, name), (Head(2, "cross_entropy"),))
    network, loss = DenseNetwork(spec, dtype=F64, seed=1), DenseLoss(spec)
    x, y = torch.randn(5, 3, dtype=F64), t64([[0], [1], [1], [0], [1]])
    assert _gradcheck_parameters(network, loss, x, y, None)


@pytest.mark.parametrize("head", HEADS, ids=lambda h: f"{h.loss}-{h.size}-{h.output_activation}-{h.loss_options}")
def test_head_loss_is_the_registered_function(head: Head) -> None:
    z, y = torch.randn(5, head.size, dtype=F64), _targets_for(head, 5)
    described = get_loss(head.loss)
    prediction = z if described.takes_logits else get_activation(head.output_activation)(z)
    options = {k: v for k, v in head.loss_options if k != "soft"}
    expected = described.function(prediction, y[:, 0].long() if head.index_targets else y, **options)
    spec = DenseSpec(2, (), (), (head,))
    torch.testing.assert_close(DenseLoss(spec)(z, y), expected)
    torch.testing.assert_close(spec.activate(z), get_activation(head.output_activation)(z))


# ---- properties -----------------------------------------------------------------------------------------------------

MULTI = DenseSpec(
    4,
    (6,),
    ("tanh",),
    (Head(3, "cross_entropy", name="kind"), Head(2, "mse", weight=0.5, name="sizes"), Head(1, "poisson", name="n")),
)


def test_gradient_of_a_batch_is_the_mean_of_its_rows() -> None:
    spec = DenseSpec(3, (4,), ("logistic",), (Head(2, "cross_entropy"),))
    network, loss = DenseNetwork(spec, dtype=F64), DenseLoss(spec)
    x, y = torch.randn(8, 3, dtype=F64), torch.randint(0, 2, (8, 1)).double()

    def gradient(rows: slice) -> Tensor:
        return torch.cat(
            [g.flatten() for g in torch.autograd.grad(loss(network(x[rows]), y[rows]), network.parameters())]
        )

    mean = torch.stack([gradient(slice(i, i + 1)) for i in range(8)]).mean(0)
    torch.testing.assert_close(gradient(slice(None)), mean, rtol=1e-12, atol=1e-12)
    halves = (gradient(slice(0, 4)) + gradient(slice(4, 8))) / 2
    torch.testing.assert_close(gradient(slice(None)), halves, rtol=1e-12, atol=1e-12)


def test_permuting_hidden_units_permutes_gradients() -> None:
    spec = DenseSpec(3, (4,), ("tanh",), (Head(1, "mse"),))
    network = DenseNetwork(spec, dtype=F64, seed=3)
    order = [2, 0, 3, 1]
    with torch.no_grad():
        other = DenseNetwork.from_arrays(
            spec,
            [network.weights[0][:, order].clone(), network.weights[1][order].clone()],
            [network.biases[0][order].clone(), network.biases[1].clone()],
        )
    x, y = torch.randn(7, 3, dtype=F64), torch.randn(7, 1, dtype=F64)
    DenseLoss(spec)(network(x), y).backward()
    DenseLoss(spec)(other(x), y).backward()
    torch.testing.assert_close(other.weights[0].grad, network.weights[0].grad[:, order])
    torch.testing.assert_close(other.weights[1].grad, network.weights[1].grad[order])


def test_equal_hidden_units_stay_equal() -> None:
    spec = DenseSpec(2, (3,), ("tanh",), (Head(1, "mse"),))
    network = DenseNetwork.from_arrays(spec, [np.full((2, 3), 0.3), np.full((3, 1), 0.7)], [np.zeros(3), np.zeros(1)])
    DenseLoss(spec)(network(torch.randn(5, 2, dtype=F64)), torch.randn(5, 1, dtype=F64)).backward()
    gradient = network.weights[0].grad
    assert gradient.abs().min() > 0
    assert torch.equal(gradient[:, :1].expand(2, 3), gradient)


def test_heads_are_a_weighted_sum() -> None:
    network = DenseNetwork(MULTI, dtype=F64)
    x, w = torch.randn(6, 4, dtype=F64), torch.rand(6, dtype=F64)
    y = torch.cat([torch.randint(0, 3, (6, 1)), torch.randn(6, 2), torch.poisson(torch.ones(6, 1))], 1).double()
    z = network(x)
    wn = w / w.sum()
    rows = (
        torch.nn.functional.cross_entropy(z[:, :3], y[:, 0].long(), reduction="none"),
        0.5 * (z[:, 3:5] - y[:, 1:3]).square().mean(1),
        z[:, 5].exp() - y[:, 3] * z[:, 5],
    )
    torch.testing.assert_close(DenseLoss(MULTI)(z, y, w), sum((wn * row).sum() for row in rows))
    outputs = network.predict(x)
    torch.testing.assert_close(outputs[:, :3].sum(1), torch.ones(6, dtype=F64))
    torch.testing.assert_close(outputs[:, 3:5], z[:, 3:5].detach())
    torch.testing.assert_close(outputs[:, 5], z[:, 5].exp().detach())


def test_missing_targets_do_not_count() -> None:
    network = DenseNetwork(MULTI, dtype=F64)
    x = torch.randn(4, 4, dtype=F64)
    y = t64([[0, 1, 2, 3], [NAN, 0.5, NAN, 1], [2, 1, 1, NAN], [NAN, NAN, NAN, 2]])
    z = network(x)
    zd = z.detach()
    kind = torch.nn.functional.cross_entropy(zd[[0, 2], :3], torch.tensor([0, 2]))
    sizes = (zd[[0, 2], 3:5] - y[[0, 2], 1:3]).square().mean()  # row 1 lacks one of two values
    n = (zd[[0, 1, 3], 5].exp() - y[[0, 1, 3], 3] * zd[[0, 1, 3], 5]).mean()
    loss = DenseLoss(MULTI)(z, y)
    torch.testing.assert_close(loss.detach(), kind + 0.5 * sizes + n)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())
    everything = DenseLoss(MULTI)(z.detach(), torch.full((4, 4), NAN, dtype=F64), torch.ones(4, dtype=F64))
    assert everything == 0


def test_a_head_of_weight_zero_teaches_nothing() -> None:
    silent = DenseSpec(4, (6,), ("tanh",), (Head(3, "cross_entropy", name="a"), Head(2, "mse", weight=0.0, name="b")))
    single = DenseSpec(4, (6,), ("tanh",), (Head(3, "cross_entropy", name="a"),))
    network = DenseNetwork(silent, dtype=F64)
    with torch.no_grad():
        arrays = [network.weights[0].clone(), network.weights[1][:, :3].clone()]
        alone = DenseNetwork.from_arrays(single, arrays, [network.biases[0].clone(), network.biases[1][:3].clone()])
    x, y = torch.randn(5, 4, dtype=F64), torch.cat([torch.randint(0, 3, (5, 1)), torch.randn(5, 2)], 1).double()
    DenseLoss(silent)(network(x), y).backward()
    DenseLoss(single)(alone(x), y[:, :1]).backward()
    torch.testing.assert_close(network.weights[0].grad, alone.weights[0].grad, rtol=1e-12, atol=0)
    assert network.weights[1].grad[:, 3:].eq(0).all()
    assert network.biases[1].grad[3:].eq(0).all()


# ---- dropout --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["inverted", "rescaling"])
def test_dropout_by_hand(form: str) -> None:
    spec = DenseSpec(3, (5, 4), ("tanh", "relu"), (Head(2, "mse"),), dropout=(0.2, 0.5, 0.0), dropout_form=form)  # type: ignore[arg-type]
    network = DenseNetwork(spec, dtype=F64, seed=8)
    network.dropout_step.fill_(3)
    x = torch.randn(6, 3, dtype=F64)
    masks = [keep_mask(8, 3, 0, (6, 3), 0.2), keep_mask(8, 3, 1, (6, 5), 0.5)]
    factors = (1 / 0.8, 1 / 0.5) if form == "inverted" else (1.0, 1.0)
    (w1, w2, w3), (b1, b2, b3) = network.weights, network.biases
    a2 = torch.tanh(x * masks[0] * factors[0] @ w1 + b1)
    a3 = torch.relu(a2 * masks[1] * factors[1] @ w2 + b2)
    torch.testing.assert_close(network(x), a3 @ w3 + b3)
    network.eval()
    keep = (1.0, 1.0) if form == "inverted" else (0.8, 0.5)
    whole = torch.relu(torch.tanh(x @ (keep[0] * w1) + b1) @ (keep[1] * w2) + b2) @ w3 + b3
    torch.testing.assert_close(network(x), whole)
    network.train()
    torch.testing.assert_close(network.predict(x), whole.detach())  # whatever the mode
    assert network.training


def test_masks_follow_the_step_and_nothing_else() -> None:
    spec = DenseSpec(4, (32,), ("relu",), (Head(1, "mse"),), dropout=(0.0, 0.5))
    network, x = DenseNetwork(spec, seed=1), torch.randn(9, 4)
    first = network(x)
    assert torch.equal(network(x), first)
    network.dropout_step += 1
    assert not torch.equal(network(x), first)
    network.dropout_step -= 1
    assert torch.equal(network(x), first)
    torch.testing.assert_close(network(x[:4]), first[:4])


def test_dropped_units_receive_no_gradient() -> None:
    spec = DenseSpec(4, (6,), ("tanh",), (Head(1, "mse"),), dropout=(0.0, 0.5))
    network = DenseNetwork(spec, dtype=F64, seed=4)
    x = torch.randn(1, 4, dtype=F64)
    DenseLoss(spec)(network(x), torch.ones(1, 1, dtype=F64)).backward()
    kept = keep_mask(4, 0, 1, (1, 6), 0.5)[0]
    assert 0 < kept.sum() < 6
    assert network.weights[0].grad[:, ~kept].eq(0).all()
    assert network.weights[1].grad[~kept].eq(0).all()
    assert network.weights[0].grad[:, kept].abs().min() > 0


# ---- as a module ----------------------------------------------------------------------------------------------------


def test_from_arrays_shares_the_memory() -> None:
    coefs, intercepts = [np.ones((2, 3)), np.ones((3, 1))], [np.zeros(3), np.zeros(1)]
    spec = DenseSpec(2, (3,), ("relu",), (Head(1, "mse"),))
    network = DenseNetwork.from_arrays(spec, coefs, intercepts)
    with torch.no_grad():
        network.weights[0].fill_(7.0)
        network.biases[1].fill_(5.0)
    assert coefs[0].tolist() == [[7.0] * 3] * 2
    assert intercepts[1].tolist() == [5.0]
    fixed = np.ones((2, 3))
    fixed.flags.writeable = False
    copied = DenseNetwork.from_arrays(spec, [fixed, coefs[1][::-1]], intercepts)
    with torch.no_grad():
        copied.weights[0].fill_(2.0)
    assert fixed[0, 0] == 1.0


def test_parameters_by_name_and_count() -> None:
    counted = DenseSpec(784, (500,), ("relu",), (Head(10, "cross_entropy"),))
    assert counted.n_parameters == 397_510
    assert DenseSpec(3, (3,), ("relu",), (Head(1, "mse"),)).n_parameters == 16
    assert DenseSpec(3, (1,), ("logistic",), (Head(1, "binary_cross_entropy"),)).n_parameters == 6
    network = DenseNetwork(MULTI)
    assert sum(p.numel() for p in network.parameters()) == MULTI.n_parameters
    assert set(network.state_dict()) == {
        "weights.0", "weights.1", "biases.0", "biases.1", "dropout_seed", "dropout_step"
    }  # fmt: skip
    assert network.weights[0].shape == (4, 6)
    assert repr(network).startswith("DenseNetwork(\n  4 -> 6 -> 6")


@pytest.mark.parametrize("make", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_copies_are_equal_and_apart(make: Any) -> None:
    network = DenseNetwork(MULTI, dtype=F64, seed=6)
    other, x = make(network), torch.randn(3, 4, dtype=F64)
    assert torch.equal(other(x), network(x))
    with torch.no_grad():
        other.weights[0].zero_()
    assert not torch.equal(other(x), network(x))
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(x), network(x))


def test_equal_to_scikit_learn() -> None:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    rng = np.random.RandomState(0)
    x, y = rng.normal(size=(40, 5)), rng.randint(0, 3, 40)
    with pytest.warns(ConvergenceWarning):
        theirs = MLPClassifier((7, 4), activation="tanh", max_iter=3, random_state=1).fit(x, y)
    spec = DenseSpec(5, (7, 4), ("tanh", "tanh"), (Head(3, "cross_entropy"),))
    network = DenseNetwork.from_arrays(spec, theirs.coefs_, theirs.intercepts_)
    np.testing.assert_allclose(network.predict(torch.from_numpy(x)).numpy(), theirs.predict_proba(x), rtol=1e-12)


def test_tied_weights() -> None:
    spec = DenseSpec(5, (4, 2, 4), ("tanh", "tanh", "tanh"), (Head(5, "mse"),), tied=True)
    assert spec.weight_shapes == ((5, 4), (4, 2))
    network = DenseNetwork(spec, dtype=F64, seed=2)
    assert sum(p.numel() for p in network.parameters()) == spec.n_parameters == 20 + 8 + 4 + 2 + 4 + 5
    free = DenseSpec(5, (4, 2, 4), ("tanh", "tanh", "tanh"), (Head(5, "mse"),))
    with torch.no_grad():
        matrices = [m.clone() for m in network.matrices()]
        untied = DenseNetwork.from_arrays(free, matrices, [b.clone() for b in network.biases])
    x = torch.randn(6, 5, dtype=F64)
    torch.testing.assert_close(network(x), untied(x))
    DenseLoss(spec)(network(x), x).backward()
    DenseLoss(free)(untied(x), x).backward()
    for i in range(2):  # the gradient is the sum over both uses
        expected = untied.weights[i].grad + untied.weights[3 - i].grad.T
        torch.testing.assert_close(network.weights[i].grad, expected)


# ---- refusals -------------------------------------------------------------------------------------------------------

HEAD = Head(1, "mse")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, (), (), (HEAD,)), r"`n_inputs` must be made of integers of at least 1\. Received: n_inputs=0"),
        ((2, (2.5,), ("relu",), (HEAD,)), r"`hidden_sizes` must be .* Received: hidden_sizes=2\.5"),
        ((2, (True,), ("relu",), (HEAD,)), r"`hidden_sizes` must be .* Received: hidden_sizes=True"),
        ((2, (3,), (), (HEAD,)), r"one entry for each hidden layer\. Received: 0 activations, 1 hidden layers"),
        ((2, (3,), ("rleu",), (HEAD,)), r"Unknown activation 'rleu'\. Did you mean 'relu'"),
        ((2, (3,), ("softmax",), (HEAD,)), r"`hidden_activations` must be elementwise\. Received: 'softmax'"),
        ((2, (), (), ()), r"`heads` must be at least one, with different names"),
        ((2, (), (), (HEAD, HEAD)), r"different names\. Received: names=\['output', 'output'\]"),
        ((2, (3,), ("relu",), (HEAD,), (0.5,)), r"`dropout` must be empty or have 2 entries"),
        ((2, (), (), (HEAD,), (1.0,)), r"`dropout` must be made of probabilities in \[0, 1\)\. Received: 1\.0"),
        (
            (2, (), (), (HEAD,), (), "upside"),
            r"`dropout_form` must be 'inverted' or 'rescaling'\. Received: .*'upside'",
        ),
        (
            (2, (3,), ("relu",), (HEAD,), (), "inverted", True),
            r"`tied` must be False unless .* Received: layer sizes \(2, 3, 1\)",
        ),
        ((1, (2, 2), ("relu", "relu"), (HEAD,), (), "inverted", True), r"an odd number of layers"),
    ],
)
def test_spec_refusals(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DenseSpec(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0, "loss": "mse"}, r"`size` must be an integer of at least 1\. Received: size=0"),
        ({"size": 1.0, "loss": "mse"}, r"`size` must be an integer of at least 1\. Received: size=1\.0"),
        ({"size": 1, "loss": "mes"}, r"Unknown loss 'mes'\. Did you mean 'mse'"),
        (
            {"size": 1, "loss": "mse", "weight": -1.0},
            r"`weight` must be at least 0 and finite\. Received: weight=-1\.0",
        ),
        ({"size": 1, "loss": "mse", "weight": NAN}, r"`weight` must be at least 0 and finite\. Received: weight=nan"),
        (
            {"size": 3, "loss": "nll"},
            r"`loss` must be one that a head can have\. Received: loss='nll'\. Choose: binary_cross",
        ),
        (
            {"size": 1, "loss": "cross_entropy"},
            r"`size` must be at least 2 for loss='cross_entropy'\. Received: size=1",
        ),
        ({"size": 2, "loss": "cross_entropy", "activation": "tanh"}, r"`activation` must be 'softmax' or None"),
        ({"size": 1, "loss": "focal", "activation": "softmax"}, r"`activation` must be 'logistic' or None"),
        ({"size": 1, "loss": "mse", "activation": "tahn"}, r"Unknown activation 'tahn'\. Did you mean 'tanh'"),
        (
            {"size": 1, "loss": "mse", "loss_options": (("delta", 1.0),)},
            r"`loss_options` of mse must be among: none\. Received: 'delta'",
        ),
        (
            {"size": 1, "loss": "huber", "loss_options": (("delta", 0.0),)},
            r"`delta` must be above 0\. Received: delta=0\.0",
        ),
        (
            {"size": 1, "loss": "focal", "loss_options": (("gamma", -1.0),)},
            r"`gamma` must be at least 0\. Received: gamma=-1",
        ),
        (
            {"size": 2, "loss": "focal", "loss_options": (("alpha", 0.5),)},
            r"`alpha` must be in \[0, 1\], for a head of size 1",
        ),
    ],
)
def test_head_refusals(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Head(**arguments)


def test_input_refusals() -> None:
    network = DenseNetwork(MULTI)
    with pytest.raises(ValueError, match=r"`x` must have shape \(N, 4\)\. Received: x of shape \(3, 5\)"):
        network(torch.zeros(3, 5))
    with pytest.raises(ValueError, match=r"`x` must have shape \(N, 4\)\. Received: x of shape \(4,\)"):
        network.predict(torch.zeros(4))
    with pytest.raises(
        TypeError, match=r"`x` must have the dtype of the parameters, torch\.float32\. Received: x of torch\.float64"
    ):
        network(torch.zeros(3, 4, dtype=F64))
    with pytest.raises(
        ValueError, match=r"`scores` must have shape \(N, 6\) and `targets` \(N, 4\)\. Received: .*\(3, 6\).*\(3, 6\)"
    ):
        DenseLoss(MULTI)(torch.zeros(3, 6), torch.zeros(3, 6))
    with pytest.raises(
        ValueError, match=r"`targets` must be class numbers from 0 to 2\. Received: targets from 0 to 3"
    ):
        DenseLoss(MULTI)(torch.zeros(2, 6), torch.tensor([[0.0, 0, 0, 0], [3.0, 0, 0, 0]]))


def test_array_refusals() -> None:
    spec = DenseSpec(2, (3,), ("relu",), (HEAD,))
    good = [np.ones((2, 3)), np.ones((3, 1))], [np.zeros(3), np.zeros(1)]
    with pytest.raises(
        ValueError,
        match=r"Weights must have the shapes \[\(2, 3\), \(3, 1\)\].*Received: weights \[\(3, 2\), \(3, 1\)\]",
    ):
        DenseNetwork.from_arrays(spec, [np.ones((3, 2)), good[0][1]], good[1])
    with pytest.raises(ValueError, match=r"Weights must have the shapes .* biases \[\(3,\)\]\."):
        DenseNetwork.from_arrays(spec, good[0], good[1][:1])
    with pytest.raises(
        ValueError, match=r"must share one floating-point dtype\. Received: torch\.float32, torch\.float64"
    ):
        DenseNetwork.from_arrays(spec, good[0], [np.zeros(3, dtype=np.float32), np.zeros(1)])
    with pytest.raises(ValueError, match=r"must share one floating-point dtype\. Received: torch\.int64"):
        DenseNetwork.from_arrays(spec, [a.astype(int) for a in good[0]], [a.astype(int) for a in good[1]])
