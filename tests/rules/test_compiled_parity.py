"""Compiled back-propagation against automatic differentiation: the same weights from the same seed."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.data.sources import ArraySource
from strata.functional import ACTIVATIONS, LOSSES, Penalty
from strata.nn import DenseLoss, DenseNetwork, DenseSpec, Head
from strata.rules import OPTIMIZERS, SCHEDULES, SGD, AdamW, GradientDescent, Rprop, Warmup, get_optimizer
from strata.rules.compiled import CompiledDense

HIDDEN = sorted({a.name for a in ACTIVATIONS.values() if a.elementwise})
SOFT = (("soft", 1.0),)
HEADS = [
    Head(1, "squared_error"),
    Head(3, "half_squared", activation="tanh"),
    Head(2, "mse", activation="logistic"),
    Head(3, "rss"),
    Head(3, "mse", activation="softmax"),
    Head(2, "huber", loss_options=(("delta", 0.4),)),
    Head(2, "mae", activation="softplus"),
    Head(4, "cross_entropy"),
    Head(3, "cross_entropy", loss_options=SOFT),
    Head(3, "kl_divergence"),
    Head(2, "binary_cross_entropy"),
    Head(2, "poisson"),
    Head(3, "hinge"),
    Head(1, "hinge"),
    Head(3, "focal"),
    Head(3, "focal", loss_options=(("gamma", 0.0),)),
    Head(1, "focal", loss_options=(("gamma", 1.5), ("alpha", 0.3))),
]
CLASSES = (Head(3, "cross_entropy"),)
ELEMENTWISE_LOSSES = [loss.name for loss in LOSSES.values() if loss.dense and not loss.takes_logits]


def targets(head, n, rng):
    if head.index_targets:
        return rng.integers(0, head.size, (n, 1)).astype(float)
    kind = LOSSES[head.loss].targets
    if kind in ("probs", "index_or_probs"):
        return rng.dirichlet(np.ones(head.size), n)
    if head.loss in ("binary_cross_entropy", "focal", "hinge"):
        return rng.integers(0, 2, (n, head.size)).astype(float)
    if kind == "count":
        return rng.poisson(2.0, (n, head.size)).astype(float)
    return rng.normal(size=(n, head.size))


def both_runs(
    spec,
    *,
    optimizer="adam",
    n=33,
    batch_size=10,
    epochs=5,
    dtype=torch.float64,
    seed=0,
    weighted=False,
    missing=0.0,
    n_parts=1,
    schedule="constant",
    **options,
):
    """Train the same network twice; return both rules and both loss curves."""
    rng = np.random.default_rng(seed)
    kind = np.float32 if dtype == torch.float32 else np.float64
    x = rng.normal(size=(n, spec.n_inputs)).astype(kind)
    y = np.hstack([targets(head, n, rng) for head in spec.heads]).astype(kind)
    if missing:
        y[rng.random(y.shape) < missing] = np.nan
    weights = rng.integers(0, 4, n).astype(kind) if weighted else None
    network = DenseNetwork(spec, dtype=dtype, seed=seed)
    with torch.no_grad():
        for bias in network.biases:  # not the zeros of some initializers: every unit its own
            bias.add_(torch.from_numpy(rng.normal(scale=0.1, size=tuple(bias.shape))).to(dtype))
    autograd = GradientDescent(
        copy.deepcopy(network), DenseLoss(spec), optimizer=optimizer, schedule=schedule, **options
    )
    compiled = CompiledDense(network, optimizer=optimizer, schedule=schedule, n_parts=n_parts, n_threads=2, **options)
    curves = []
    for rule in (autograd, compiled):
        source = ArraySource(x, y, weights, batch_size=batch_size, random_state=seed)
        rule.plan(n_batches=source.n_batches, max_epochs=epochs)
        losses = []
        for epoch in range(epochs):
            batches = source.epoch(epoch)
            cuts = sorted({0, 1, source.n_batches})
            figures = [rule.run(batches, start, stop) for start, stop in zip(cuts[:-1], cuts[1:], strict=True)]
            losses += [value for part in figures for value in part["loss"].tolist()]
            rule.end_epoch({"loss": float(np.mean(losses[-source.n_batches :]))})
        curves.append(losses)
    return autograd, compiled, curves


def assert_parity(spec, *, tolerance=1e-9, **options):
    autograd, compiled, (wanted, found) = both_runs(spec, **options)
    moved = 0.0
    for reference, parameter in zip(autograd.network.parameters(), compiled.network.parameters(), strict=True):
        assert torch.isfinite(reference).all()
        np.testing.assert_allclose(parameter.detach(), reference.detach(), rtol=tolerance, atol=tolerance)
        moved = max(moved, float(reference.detach().abs().max()))
    np.testing.assert_allclose(found, wanted, rtol=max(tolerance, 1e-9), atol=tolerance)
    assert compiled.n_steps == autograd.n_steps
    assert compiled.rate == autograd.rate
    return autograd, compiled


def spec_of(*sizes, heads=CLASSES, activation="tanh", **options):
    return DenseSpec(sizes[0], sizes[1:], (activation,) * (len(sizes) - 1), tuple(heads), **options)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.loss}-{head.size}-{head.output_activation}")
@pytest.mark.parametrize("activation", HIDDEN)
def test_every_activation_with_every_loss(activation, head):
    rate = 0.002 if activation == "exp" else 0.02
    assert_parity(spec_of(4, 6, heads=(head,), activation=activation), optimizer=SGD(rate, momentum=0.5), epochs=4)


@pytest.mark.parametrize("activation", [*HIDDEN, "softmax"])
@pytest.mark.parametrize("loss", ELEMENTWISE_LOSSES)
def test_every_output_activation_of_losses_of_predictions(loss, activation):
    head = Head(3, loss, activation=activation)
    assert_parity(spec_of(4, 5, heads=(head,)), optimizer=SGD(0.01), epochs=3)


ALL_OPTIMIZERS = [name for name in OPTIMIZERS if "lbfgs" not in name]


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
@pytest.mark.parametrize("optimizer", ALL_OPTIMIZERS)
def test_every_optimizer_with_every_schedule(optimizer, schedule):
    full_batch = "rprop" in optimizer
    rate = 0.01 if "rprop" not in optimizer else 0.05
    spec = spec_of(4, 6, heads=(Head(3, "cross_entropy"),))
    chosen = get_optimizer(optimizer, learning_rate=rate)
    if full_batch:
        _, _, (wanted, found) = both_runs_steps(spec, optimizer=chosen, schedule=schedule, n_steps=20)
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
    else:
        assert_parity(spec, optimizer=chosen, schedule=schedule)


def both_runs_steps(spec, *, optimizer, n_steps, schedule="constant", seed=0, n=30, **options):
    """Full-batch steps through `step`, compared after each."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, spec.n_inputs))
    y = np.hstack([targets(head, n, rng) for head in spec.heads])
    batch = next(ArraySource(x, y, batch_size=n, shuffle=False).epoch(0).take(0, 1))
    network = DenseNetwork(spec, dtype=torch.float64, seed=seed)
    pair = (
        GradientDescent(copy.deepcopy(network), DenseLoss(spec), optimizer=optimizer, schedule=schedule, **options),
        CompiledDense(network, optimizer=optimizer, schedule=schedule, **options),
    )
    curves = [[], []]
    for rule in pair:
        rule.plan(n_batches=1, max_epochs=n_steps)
    for _ in range(n_steps):
        for rule, curve in zip(pair, curves, strict=True):
            curve.append(float(rule.step(batch)["loss"]))
            rule.end_epoch({"loss": curve[-1]})
        for left, right in zip(pair[0].network.parameters(), pair[1].network.parameters(), strict=True):
            np.testing.assert_allclose(right.detach(), left.detach(), atol=1e-9)
        assert pair[0].converged == pair[1].converged
    return *pair, curves


@pytest.mark.parametrize("form", ["plus", "minus", "framework"])
def test_rprop_stops_at_its_threshold_in_both(form):
    spec = spec_of(3, 2, heads=(Head(1, "half_squared"),))
    autograd, compiled, _ = both_runs_steps(spec, optimizer=Rprop(form=form, threshold=2.0), n_steps=60)
    assert compiled.converged
    assert autograd.converged


PENALTIES = [
    Penalty(l2=0.1),
    Penalty(l2=0.5, per_sample=True),
    Penalty(l1=0.05),
    Penalty(l1=0.2, per_sample=True),
    Penalty(l1=0.05, l1_form="proximal"),
    Penalty(l1=0.3, l2=0.2, l1_form="proximal", per_sample=True),
    Penalty(max_norm=0.6),
    Penalty(l1=0.02, l2=0.03, max_norm=0.8),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum-lecture", "adam"])
def test_every_penalty(optimizer, penalty, weighted):
    assert_parity(
        spec_of(4, 6), optimizer=get_optimizer(optimizer, learning_rate=0.05), penalty=penalty, weighted=weighted
    )


@pytest.mark.parametrize("form", ["inverted", "rescaling"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity", "gelu", "elu"])
@pytest.mark.parametrize("dropout", [(0.3, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.4), (0.2, 0.5, 0.1)])
def test_dropout_at_every_place(dropout, activation, form):
    spec = spec_of(4, 6, 5, activation=activation, dropout=dropout, dropout_form=form)
    autograd, compiled = assert_parity(spec, optimizer=SGD(0.1))
    batch = next(ArraySource(np.ones((3, 4)), np.zeros((3, 1)), batch_size=3).epoch(0).take(0, 1))
    assert float(compiled.evaluate(batch)["loss"]) == pytest.approx(float(autograd.evaluate(batch)["loss"]), abs=1e-12)


@pytest.mark.parametrize(
    "clips", [{"clip_norm": 0.1}, {"clip_value": 0.02}, {"clip_norm": 0.05, "clip_value": 0.02}, {"clip_norm": 1e3}]
)
@pytest.mark.parametrize("penalty", [Penalty(), Penalty(l2=0.3)])
def test_clipping(clips, penalty):
    assert_parity(spec_of(4, 6), optimizer=SGD(0.3, momentum=0.9), penalty=penalty, **clips)


@pytest.mark.parametrize("hidden", [(), (6,), (6, 5), (3, 8, 4), (9, 1, 7, 2), (17, 33, 16)])
@pytest.mark.parametrize("n_inputs", [1, 2, 5, 16])
def test_every_depth(hidden, n_inputs):
    assert_parity(spec_of(n_inputs, *hidden), optimizer="adam")


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.loss}-{head.size}")
def test_sample_weights_of_every_loss(head):
    assert_parity(spec_of(4, 6, heads=(head,)), optimizer=SGD(0.02), weighted=True)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_several_heads_with_missing_targets(missing, weighted):
    heads = [
        Head(head.size, head.loss, 0.3 + 0.2 * i, f"task{i}", head.activation, head.loss_options)
        for i, head in enumerate(HEADS)
    ]
    for group in (heads[:6], heads[6:12], heads[12:]):
        spec = spec_of(4, 6, heads=group)
        assert_parity(spec, optimizer=SGD(0.02), missing=missing, weighted=weighted, tolerance=1e-9)


def test_a_head_of_weight_zero_learns_nothing():
    heads = (Head(3, "cross_entropy"), Head(1, "mse", 0.0, "silent"))
    _, compiled = assert_parity(spec_of(4, 6, heads=heads), optimizer=SGD(0.1))
    start = DenseNetwork(compiled.network.spec, dtype=torch.float64, seed=0).weights[1]
    assert torch.equal(compiled.network.weights[1][:, 3], start[:, 3])
    assert not torch.equal(compiled.network.weights[1][:, 0], start[:, 0])


def test_weight_decay_of_both_kinds():
    for optimizer in (AdamW(0.01, weight_decay=0.5), AdamW(0.01, weight_decay=0.5, form="lecture")):
        assert_parity(spec_of(4, 6), optimizer=optimizer)
    for form in ("framework", "lecture"):
        assert_parity(spec_of(4, 6), optimizer=SGD(0.1, momentum=0.9, weight_decay=0.2, form=form), clip_norm=0.3)


def test_a_warm_up_then_a_cosine():
    assert_parity(spec_of(4, 6), schedule=Warmup(n_steps=5, then="cosine"))


@pytest.mark.parametrize("n_parts", [2, 3])
@pytest.mark.parametrize("batch_size", [33, 10, 3])
def test_divided_batches_agree_with_autograd(n_parts, batch_size):
    spec = spec_of(4, 7, 5, dropout=(0.1, 0.3, 0.0))
    options = {"penalty": Penalty(l1=0.01, l2=0.1, max_norm=1.5), "clip_norm": 0.5, "weighted": True}
    assert_parity(spec, n_parts=n_parts, batch_size=batch_size, optimizer=SGD(0.1, momentum=0.9), **options)


def test_large_layers_go_through_the_packed_products():
    spec = spec_of(70, 300, 290, activation="relu")
    assert_parity(spec, n=90, batch_size=64, epochs=4, optimizer=SGD(0.05, momentum=0.9), n_parts=1)
    assert_parity(spec, n=90, batch_size=64, epochs=2, optimizer=SGD(0.05, momentum=0.9), n_parts=2)


def test_batches_longer_than_a_block_of_the_sum():
    assert_parity(spec_of(9, 7), n=700, batch_size=600, epochs=5, optimizer=SGD(0.1))


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.loss}-{head.size}")
def test_float32_stays_close(head):
    spec = spec_of(4, 6, heads=(head,))
    autograd, compiled, _ = both_runs(spec, dtype=torch.float32, optimizer=SGD(0.02))
    for left, right in zip(autograd.network.parameters(), compiled.network.parameters(), strict=True):
        assert right.dtype == torch.float32
        np.testing.assert_allclose(right.detach(), left.detach(), atol=2e-5)


@st.composite
def cases(draw):
    depth = draw(st.integers(0, 4))
    n_heads = draw(st.integers(1, 3))
    heads = tuple(
        Head(head.size, head.loss, draw(st.sampled_from([0.5, 1.0, 2.0])), f"h{i}", head.activation, head.loss_options)
        for i, head in enumerate(draw(st.lists(st.sampled_from(HEADS), min_size=n_heads, max_size=n_heads)))
    )
    smooth = ["tanh", "logistic", "softplus", "silu", "gelu", "identity", "elu", "softsign", "mish"]
    spec = DenseSpec(
        draw(st.integers(1, 9)),
        tuple(draw(st.lists(st.integers(1, 18), min_size=depth, max_size=depth))),
        tuple(draw(st.lists(st.sampled_from(smooth), min_size=depth, max_size=depth))),
        heads,
        dropout=tuple(draw(st.lists(st.sampled_from([0.0, 0.2, 0.5]), min_size=depth + 1, max_size=depth + 1))),
        dropout_form=draw(st.sampled_from(["inverted", "rescaling"])),
    )
    names = [name for name in OPTIMIZERS if "lbfgs" not in name and "rprop" not in name]
    options = {
        "optimizer": get_optimizer(draw(st.sampled_from(names)), learning_rate=0.005),
        "schedule": draw(st.sampled_from(sorted(SCHEDULES))),
        "penalty": draw(st.sampled_from([Penalty(), *PENALTIES])),
        "clip_norm": draw(st.sampled_from([None, 0.5])),
        "clip_value": draw(st.sampled_from([None, 0.1])),
        "weighted": draw(st.booleans()),
        "n": draw(st.integers(5, 40)),
        "batch_size": draw(st.integers(5, 40)),
        "seed": draw(st.integers(0, 1000)),
        "n_parts": draw(st.sampled_from([1, 1, 2])),
        "missing": draw(st.sampled_from([0.0, 0.2])) if n_heads > 1 else 0.0,
    }
    return spec, options


@settings(deadline=None, max_examples=60, derandomize=True)
@given(cases())
def test_random_combinations(case):
    spec, options = case
    options["batch_size"] = min(options["batch_size"], options["n"] - 1)
    assert_parity(spec, epochs=4, tolerance=1e-8, **options)
