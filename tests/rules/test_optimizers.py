"""Optimizers against every table of learning.md section 8, torch.optim, and the kernel table of the module."""

import csv
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from strata.rules import (
    LBFGS,
    OPTIMIZERS,
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    OptimizerSpec,
    RMSProp,
    Rprop,
    describe_optimizer,
    get_optimizer,
)

START, CURVATURE = np.array([3.0, -2.0]), np.array([1.0, 10.0])
ELEMENTWISE = [name for name in OPTIMIZERS if name != "lbfgs"]


def trace(spec, n_steps=3, *, rates=None, start=START, gradient=lambda w: CURVATURE * w, groups=False):
    """Parameters after each step of the optimizer that the record builds."""
    w = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = spec.build([{"params": [w]}] if groups else [w])
    path = []
    for step in range(n_steps):
        if rates is not None:
            optimizer.param_groups[0]["lr"] = rates[step]
        w.grad = torch.tensor(gradient(w.detach().numpy()))
        optimizer.step()
        path.append(w.detach().numpy().copy())
    return np.array(path)


# ------------------------------------------------------------------------------------- learning.md 8.1 to 8.5
LECTURE_TABLES = [
    (SGD(0.01), [(2.97, -1.8), (2.9403, -1.62), (2.910897, -1.458)]),
    (SGD(0.01, form="lecture"), [(2.97, -1.8), (2.9403, -1.62), (2.910897, -1.458)]),
    (SGD(0.01, momentum=0.9), [(2.97, -1.8), (2.9133, -1.44), (2.833137, -0.972)]),
    (SGD(0.01, momentum=0.9, form="lecture"), [(2.97, -1.8), (2.9133, -1.44), (2.833137, -0.972)]),
    (
        AdaGrad(0.1, form="lecture"),
        [(2.9000000033, -1.9000000005), (2.8304977953, -1.8311250545), (2.7743593520, -1.7758215159)],
    ),
    (
        AdaGrad(0.1, eps=1e-2, form="lecture"),
        [(2.9003322259, -1.9000499750), (2.8309920739, -1.8311990348), (2.7749601640, -1.7759111217)],
    ),
    (AdaGrad(0.1), [(2.9, -1.9), (2.8304977903, -1.8311250538), (2.7743593459, -1.7758215150)]),
    (
        RMSProp(0.01, form="lecture"),
        [(2.9683772410, -1.9683772238), (2.9455511819, -1.9456096372), (2.9264965676, -1.9266336825)],
    ),
    (
        RMSProp(0.01, decay=0.9, eps=1e-6),
        [(2.9683772567, -1.9683772284), (2.9455512084, -1.9456096443), (2.9264966023, -1.9266336913)],
    ),
    (
        RMSProp(0.01, eps=1e-2, form="lecture"),
        [(2.9685514549, -1.9683811755), (2.9457919352, -1.9456150896), (2.9267764380, -1.9266400159)],
    ),
    (
        RMSProp(0.01, decay=0.9, eps=1e-2),
        [(2.9687070797, -1.9684271445), (2.9460539856, -1.9456855837), (2.9271204663, -1.9267278041)],
    ),
    (
        RMSProp(0.01),
        [(2.9000000033, -1.9000000005), (2.8303174519, -1.8309433261), (2.7738885724, -1.7753494420)],
    ),
    (
        Adam(form="lecture"),
        [(2.9990000000, -1.9990000000), (2.9980000087, -1.9980000131), (2.9970000319, -1.9970000479)],
    ),
    (Adam(), [(2.9990000000, -1.9990000000), (2.9980000087, -1.9980000131), (2.9970000319, -1.9970000479)]),
    (
        Adam(0.1, eps=1e-2, form="lecture"),
        [(2.9000555093, -1.9000012500), (2.8002154801, -1.8001690449), (2.7005532972, -1.7006273194)],
    ),
    (
        Adam(0.1, eps=1e-2),
        [(2.9003322259, -1.9000499750), (2.8007719659, -1.8002675122), (2.7013921990, -1.7007764408)],
    ),
]


@pytest.mark.parametrize(("spec", "rows"), LECTURE_TABLES, ids=lambda value: str(value)[:60])
def test_tables_of_the_lecture(spec, rows):
    np.testing.assert_allclose(trace(spec), rows, rtol=0, atol=1e-9)
    np.testing.assert_allclose(kernel_trace(spec), rows, rtol=0, atol=1e-9)


@pytest.mark.parametrize("form", ["lecture", "framework"])
def test_terminal_speed_of_momentum(form):
    path = trace(SGD(0.01, momentum=0.9, form=form), 101, start=[0.0], gradient=lambda w: np.array([2.0]))
    speeds = np.diff(path[:, 0], prepend=0.0)
    expected = {1: -0.02, 2: -0.038, 3: -0.0542, 10: -0.130264311980, 50: -0.198969244959, 100: -0.199994687720}
    for t, speed in expected.items():
        assert speeds[t - 1] == pytest.approx(speed, abs=1e-11)


def test_shrinkage_is_l2_in_plain_sgd():
    for form in ("lecture", "framework"):
        path = trace(SGD(0.01, weight_decay=0.1, form=form))
        np.testing.assert_allclose(path[-1], [2.9020850070, -1.4531453980], rtol=0, atol=1e-9)
    w = START.copy()
    for _ in range(3):  # shrink, then step
        w = (1 - 0.01 * 0.1) * w - 0.01 * CURVATURE * w
    np.testing.assert_allclose(path[-1], w, rtol=0, atol=1e-12)


def test_l2_in_the_gradient_of_adam_is_not_decoupled_decay():
    in_gradient = trace(Adam(0.1), gradient=lambda w: CURVATURE * w + 0.1 * w)
    np.testing.assert_allclose(in_gradient[-1], [2.7003815239, -1.7006233914], rtol=0, atol=1e-9)
    decoupled = trace(AdamW(0.1, weight_decay=0.1))
    np.testing.assert_allclose(decoupled[-1], [2.6144056178, -1.6443686830], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("spec", "length"),
    [
        (Adam(1.0, form="lecture"), 0.0995037190),
        (Adam(1.0), 0.9990009990),
        (RMSProp(1.0, form="lecture"), 0.0099999500),
        (RMSProp(1.0, decay=0.9, eps=1e-8), 3.1523091833),
    ],
)
def test_where_the_small_constant_stands(spec, length):
    path = trace(spec, 1, start=[0.0], gradient=lambda w: np.array([1e-5]))
    assert -path[0, 0] == pytest.approx(length, abs=1e-9)


# ------------------------------------------------------------------------------------- torch and scikit-learn
RATES = [0.1, 0.1, 0.03, 0.2, 0.01, 0.01, 0.5, 0.05]
TORCH = [
    (SGD(0.1), torch.optim.SGD, {}),
    (SGD(0.1, momentum=0.8), torch.optim.SGD, {"momentum": 0.8}),
    (SGD(0.1, momentum=0.8, nesterov=True), torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
    (AdaGrad(0.1), torch.optim.Adagrad, {}),
    (RMSProp(0.1), torch.optim.RMSprop, {}),
    (Adam(0.1, betas=(0.8, 0.95)), torch.optim.Adam, {"betas": (0.8, 0.95)}),
    (AdamW(0.1), torch.optim.AdamW, {}),
    (Rprop(0.1, form="framework"), torch.optim.Rprop, {}),
]


@pytest.mark.parametrize(("spec", "kind", "options"), TORCH, ids=lambda value: str(value)[:50])
def test_framework_forms_are_torch(spec, kind, options):
    def gradient(w):
        return CURVATURE * w + np.sin(40 * w)  # signs that turn

    w = torch.tensor(START, requires_grad=True)
    optimizer = kind([w], lr=0.1, **options)
    path = []
    for rate in RATES:
        optimizer.param_groups[0]["lr"] = rate
        w.grad = torch.tensor(gradient(w.detach().numpy()))
        optimizer.step()
        path.append(w.detach().numpy().copy())
    np.testing.assert_allclose(trace(spec, 8, rates=RATES, gradient=gradient), path, rtol=0, atol=1e-15)
    np.testing.assert_allclose(kernel_trace(spec, 8, rates=RATES, gradient=gradient), path, rtol=0, atol=1e-13)


def test_lecture_sgd_and_efficient_adam_are_scikit_learns():
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

    for theirs, spec in (
        (SGDOptimizer([START], 0.05, momentum=0.8, nesterov=True), SGD(0.05, 0.8, True, "lecture")),
        (SGDOptimizer([START], 0.05, momentum=0.8, nesterov=False), SGD(0.05, 0.8, False, "lecture")),
        (AdamOptimizer([START], 0.05, epsilon=1e-2), Adam(0.05, eps=1e-2, form="efficient")),
    ):
        w = [START.copy()]
        path = []
        for _ in range(6):
            theirs.update_params(w, [CURVATURE * w[0]])
            path.append(w[0].copy())
        np.testing.assert_allclose(trace(spec, 6), path, rtol=0, atol=1e-15)
        np.testing.assert_allclose(kernel_trace(spec, 6), path, rtol=0, atol=1e-14)


def test_momentum_forms_differ_when_the_rate_changes():
    lecture, framework = SGD(0.1, momentum=0.9, form="lecture"), SGD(0.1, momentum=0.9)
    pull = {"start": [0.0], "gradient": lambda w: np.array([1.0])}
    constant = [trace(spec, 2, **pull)[:, 0] for spec in (lecture, framework)]
    np.testing.assert_allclose(constant[0], constant[1], rtol=1e-15)
    # by hand: v = -.1, then rate .01: lecture .9 * -.1 - .01 = -.1; framework -.01 * (.9 + 1) = -.019
    assert trace(lecture, 2, rates=[0.1, 0.01], **pull)[:, 0] == pytest.approx([-0.1, -0.2])
    assert trace(framework, 2, rates=[0.1, 0.01], **pull)[:, 0] == pytest.approx([-0.1, -0.119])


# ------------------------------------------------------------------------------------- the kernel's table
def kernel_step(kind, c, w, g, p, q, a, t, is_weight):
    """The table in the docstring of strata.rules.optimizers, one number at a time."""
    if kind in (0, 1):
        g = g + c[2] * w * is_weight
        if c[0] == 0:
            return w - a * g, p, q
        if kind == 0:
            p = c[0] * p - a * g
            return (w + c[0] * p - a * g if c[1] else w + p), p, q
        p = c[0] * p + g
        return w - a * (g + c[0] * p if c[1] else p), p, q
    if kind == 2:
        p = p + g * g
        return w - a * g / (np.sqrt(p) + c[0]), p, q
    if kind in (3, 4):
        p = c[0] * p + (1 - c[0]) * g * g
        return w - a * g / (np.sqrt(p + c[1]) if kind == 3 else np.sqrt(p) + c[1]), p, q
    if kind in (5, 6, 7):
        w = w * (1 - a * c[3] * is_weight)
        p, q = c[0] * p + (1 - c[0]) * g, c[1] * q + (1 - c[1]) * g * g
        first, second = p / (1 - c[0] ** t), q / (1 - c[1] ** t)
        if kind == 5:
            return w - a * first / np.sqrt(second + c[2]), p, q
        if kind == 6:
            return w - a * first / (np.sqrt(second) + c[2]), p, q
        return w - a * np.sqrt(1 - c[1] ** t) / (1 - c[0] ** t) * p / (np.sqrt(q) + c[2]), p, q
    q = a if t == 1 else q
    s = np.sign(g)
    same, turned = p * s > 0, p * s < 0
    if kind == 8:
        if turned:
            return w + p * q, 0.0, max(c[0] * q, c[2])
        q = min(c[1] * q, c[3]) if same else q
        return w - s * q, s, q
    if kind == 9:
        q = min(c[1] * q, c[3]) if same else max(c[0] * q, c[2]) if turned else q
        return w - s * q, s, q
    q = np.clip(q * c[1] if same else q * c[0] if turned else q, c[2], c[3])
    s = 0.0 if turned else s
    return w - s * q, s, q


def kernel_trace(spec, n_steps=3, *, rates=None, start=START, gradient=lambda w: CURVATURE * w, is_weight=1.0):
    kind, c = spec.kernel()
    assert c.shape == (8,)
    assert c.dtype == np.float64
    w, p, q = np.array(start, dtype=float), np.zeros(len(start)), np.zeros(len(start))
    path = []
    for t in range(1, n_steps + 1):
        a = spec.learning_rate if rates is None else rates[t - 1]
        g = gradient(w)
        for i in range(len(w)):
            w[i], p[i], q[i] = kernel_step(kind, c, w[i], g[i], p[i], q[i], a, t, is_weight)
        path.append(w.copy())
    assert spec.n_slots >= (p != 0).any() + (q != 0).any()
    return np.array(path)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_kernel_table_is_what_torch_does(name):
    spec = get_optimizer(name, learning_rate=0.07)
    if isinstance(spec, SGD):
        spec = replace(spec, weight_decay=0.3)

    def gradient(w):
        return 0.5 * w + 0.3 * np.sin(5 * w)  # contracting: rounding does not grow

    rates = np.geomspace(0.07, 0.3, 25)
    ours = trace(spec, 25, rates=rates, gradient=gradient)
    np.testing.assert_allclose(kernel_trace(spec, 25, rates=rates, gradient=gradient), ours, rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------------------------- Rprop and infert
def infert_columns(shared_data):
    with open(shared_data / "infert.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    x = np.array([[float(row[name]) for name in ("parity", "induced", "spontaneous")] for row in rows])
    return x, np.array([float(row["case"]) for row in rows])


def infert_error(weights, x, y):
    """Half the sum of squares of a 3-1-1 network, logistic and linear, and its gradient, by hand."""
    b1, w1, b2, v = weights[0], weights[1:4], weights[4], weights[5]
    hidden = 1 / (1 + np.exp(-(b1 + x @ w1)))
    residual = b2 + v * hidden - y
    back = residual * v * hidden * (1 - hidden)
    return 0.5 * residual @ residual, np.array([back.sum(), *(back @ x), residual.sum(), residual @ hidden])


def test_rprop_plus_retraces_neuralnet_on_infert(shared_data):
    x, y = infert_columns(shared_data)
    w = torch.tensor([0.5, -0.5, 0.25, 0.75, 0.1, -0.3], dtype=torch.float64, requires_grad=True)
    spec = Rprop(threshold=0.01)
    optimizer = spec.build([w])
    errors, points = [], []
    for step in range(1, 2001):  # neuralnet counts from 1, and the step that meets the threshold changes nothing
        error, gradient = infert_error(w.detach().numpy(), x, y)
        errors.append(error)
        points.append(w.detach().numpy().copy())
        if np.abs(gradient).max() <= spec.threshold:
            break
        if step == 1:
            first = gradient
        w.grad = torch.tensor(gradient)
        optimizer.step()
        if step == 3:
            sizes = optimizer.state[w]["step_size"].tolist()
    np.testing.assert_allclose(
        first, [6.4958344257, 13.0057636294, 3.7495215001, 5.8719004738, -96.0437282145, -55.6425695908], atol=1e-9
    )
    np.testing.assert_allclose(points[1], [0.4, -0.6, 0.15, 0.65, 0.2, -0.2], atol=1e-12)
    assert errors[0] == pytest.approx(48.0414209671, abs=1e-9)
    assert errors[1] == pytest.approx(34.5242397342, abs=1e-9)
    assert errors[3] == pytest.approx(28.14, abs=5e-3)
    assert errors[4] == pytest.approx(28.3318063834, abs=1e-9)
    optimizer_after_4 = rprop_sizes_after(4, x, y)
    np.testing.assert_allclose(optimizer_after_4, [0.1, 0.1, 0.1, 0.05, 0.05, 0.05], rtol=1e-12)
    assert sizes != optimizer_after_4.tolist()
    assert step == 950
    np.testing.assert_allclose(
        points[-1], [-1.7094409781, -2.1878762283, 2.7338107702, 4.4480316855, 0.1363533853, 0.7256350165], atol=1e-9
    )
    assert errors[-1] == pytest.approx(21.2207789652, abs=1e-9)
    assert np.abs(gradient).max() == pytest.approx(0.0079123476, abs=1e-9)


def rprop_sizes_after(n_steps, x, y):
    w = torch.tensor([0.5, -0.5, 0.25, 0.75, 0.1, -0.3], dtype=torch.float64, requires_grad=True)
    optimizer = Rprop().build([w])
    for _ in range(n_steps):
        w.grad = torch.tensor(infert_error(w.detach().numpy(), x, y)[1])
        optimizer.step()
    return optimizer.state[w]["step_size"].numpy()


def test_rprop_forms_by_hand():
    # on w^2 from .25 with first step .1: .15, then (grown, capped) ... the forms part where the sign turns
    pull = {"start": [0.25], "gradient": lambda w: 2 * w}
    limits = (1e-10, 50.0)
    plus = trace(Rprop(limits=limits), 5, **pull)[:, 0]
    # .25-.1=.15; -.12=.03; -.144=-.114; turned: back by .144 -> .03, size .072; then .03-.072=-.042
    np.testing.assert_allclose(plus, [0.15, 0.03, -0.114, 0.03, -0.042], atol=1e-12)
    minus = trace(Rprop(limits=limits, form="minus"), 5, **pull)[:, 0]
    # at -.114 turned: size .072, step up to -.042; same sign: size .0864 -> .0444
    np.testing.assert_allclose(minus, [0.15, 0.03, -0.114, -0.042, 0.0444], atol=1e-12)
    framework = trace(Rprop(limits=limits, form="framework"), 5, **pull)[:, 0]
    # at -.114 turned: size .072, no step; then a step of .072 to -.042
    np.testing.assert_allclose(framework, [0.15, 0.03, -0.114, -0.114, -0.042], atol=1e-12)


# ------------------------------------------------------------------------------------- the registry
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_registry_entries_keep_the_protocol(name):
    spec = get_optimizer(name)
    assert isinstance(spec, OptimizerSpec)
    assert name.startswith(spec.name)
    assert get_optimizer(name, learning_rate=0.5).learning_rate == 0.5
    assert get_optimizer(spec) is spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert describe_optimizer(spec)["name"] == spec.name
    w = torch.ones(2, requires_grad=True)
    optimizer = spec.build([w])
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert optimizer.param_groups[0]["lr"] == spec.learning_rate
    assert type(optimizer).__module__.startswith("torch" if spec.form == "framework" else "strata") or (
        spec.name == "adagrad"
    )


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_optimizer_state_resumes(name):
    spec = get_optimizer(name, learning_rate=0.05)

    def learn(w, optimizer, n):
        for _ in range(n):
            w.grad = torch.tensor(CURVATURE) * w.detach()
            optimizer.step()

    whole = torch.tensor(START, requires_grad=True)
    learn(whole, spec.build([whole]), 7)
    half = torch.tensor(START, requires_grad=True)
    before = spec.build([half])
    learn(half, before, 3)
    after = spec.build([half])
    after.load_state_dict(pickle.loads(pickle.dumps(before.state_dict())))
    learn(half, after, 4)
    assert torch.equal(whole, half)


def test_lbfgs_has_no_kernel():
    with pytest.raises(ValueError, match="`optimizer` must be one with an elementwise update. Received: LBFGS"):
        LBFGS().kernel()


def test_optimizers_run_a_closure_and_skip_what_has_no_gradient():
    w, still = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = SGD(0.5, form="lecture").build([w, still])

    def closure():
        optimizer.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1.0
    assert (w.item(), still.item()) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: get_optimizer("adm"), ValueError, "Unknown optimizer 'adm'. Did you mean 'adam'?"),
        (lambda: get_optimizer(Adam), TypeError, "`optimizer` must be a name or a record"),
        (lambda: get_optimizer(3), TypeError, "`optimizer` must be a name or a record"),
        (lambda: get_optimizer("sgd", learning_rate=-1), ValueError, "`learning_rate` must be a finite number > 0"),
        (lambda: SGD("fast"), TypeError, "`learning_rate` must be a finite number > 0. Received: learning_rate='fast'"),
        (lambda: SGD(float("nan")), ValueError, "`learning_rate` must be a finite number > 0"),
        (lambda: SGD(momentum=1.0), ValueError, "`momentum` must be a finite number >= 0 and < 1"),
        (lambda: SGD(nesterov=True), ValueError, "`nesterov` must come with a `momentum` > 0"),
        (lambda: SGD(form="slide"), ValueError, "Unknown `form` 'slide'"),
        (lambda: SGD(weight_decay=-0.1), ValueError, "`weight_decay` must be a finite number >= 0"),
        (lambda: AdaGrad(eps=0), ValueError, "`eps` must be a finite number > 0"),
        (lambda: RMSProp(decay=1.5), ValueError, "`decay` must be a finite number >= 0 and < 1"),
        (lambda: Adam(betas=(0.9,)), ValueError, "`betas` must be two numbers"),
        (lambda: Adam(betas=(0.9, 1.0)), ValueError, r"`betas\[1\]` must be a finite number >= 0 and < 1"),
        (lambda: AdamW(form="plus"), ValueError, "Unknown `form` 'plus'"),
        (lambda: Rprop(factors=(1.2, 0.5)), ValueError, r"`factors\[0\]` must be a finite number > 0 and < 1"),
        (lambda: Rprop(limits=(0.1, 0.01)), ValueError, r"`limits\[1\]` must be a finite number >= 0.1"),
        (lambda: Rprop(limits=3), ValueError, "`limits` must be two numbers"),
        (lambda: Rprop(threshold=-1), ValueError, "`threshold` must be a finite number >= 0"),
        (lambda: LBFGS(history_size=2.5), TypeError, "`history_size` must be a whole number >= 1"),
        (lambda: LBFGS(max_fun=0), ValueError, "`max_fun` must be a whole number >= 1"),
    ],
)
def test_bad_values_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
