"""The compiled rule as a rule: state, resume, copies, read-only data, threads, non-finite losses, memory."""

import copy
import gc
import io
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import psutil
import pytest
import torch
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher

from strata.data.sources import ArraySource, Batch
from strata.functional import Penalty
from strata.nn import DenseLoss, DenseNetwork, DenseSpec, Head
from strata.rules import LBFGS, SGD, LBFGSRule, Rprop, compiled
from strata.rules.compiled import CompiledDense
from strata.rules.compiled.loop import run_batches

SPEC = DenseSpec(4, (6,), ("tanh",), (Head(3, "cross_entropy"),), dropout=(0.1, 0.2))


def data(n=50, seed=0, n_inputs=4, n_classes=3, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_inputs)).astype(dtype), rng.integers(0, n_classes, (n, 1)).astype(dtype)


def rule_of(spec=SPEC, dtype=torch.float64, **options):
    return CompiledDense(DenseNetwork(spec, dtype=dtype, seed=1), **options)


def batch_of(n=50, **options):
    return Batch(*(torch.from_numpy(part) for part in data(n, **options)))


def train(rule, source, epochs, first=0):
    for epoch in range(first, epochs):
        rule.run(source.epoch(epoch), 0, source.n_batches)
        rule.end_epoch({"loss": 1.0})
    return rule


def source_of(**options):
    return ArraySource(*data(), batch_size=8, random_state=3, **options)


def same(left, right):
    return all(torch.equal(a, b) for a, b in zip(left.parameters(), right.parameters(), strict=True))


def test_parameters_are_views_of_one_flat_array():
    rule = rule_of()
    flat = np.concatenate(
        [
            part.detach().numpy().ravel()
            for pair in zip(rule.network.weights, rule.network.biases, strict=True)
            for part in pair
        ]
    )
    np.testing.assert_array_equal(rule.theta, flat)
    rule.theta[0] = 7.0
    assert float(rule.network.weights[0].detach()[0, 0]) == 7.0
    with torch.no_grad():
        rule.network.biases[1][2] = -3.0
    assert rule.theta[-1] == -3.0


def test_one_call_equals_step_after_step_bit_for_bit():
    whole, steps = rule_of(), rule_of()
    train(whole, source_of(), 3)
    source = source_of()
    for epoch in range(3):
        for batch in source.epoch(epoch).take(0, source.n_batches):
            steps.step(batch)
        steps.end_epoch({"loss": 1.0})
    assert same(whole, steps)
    assert torch.equal(whole.slots, steps.slots)


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "rmsprop", "adagrad", "rprop", "sgd"])
def test_resume_is_bit_identical(optimizer):
    options = {"optimizer": optimizer, "schedule": "invscaling"}
    whole = train(rule_of(**options), source_of(), 6)
    half = train(rule_of(**options), source_of(), 3)
    file = io.BytesIO()
    torch.save(half.state_dict(), file)
    file.seek(0)
    resumed = rule_of(SPEC, **options)
    addresses = [parameter.data_ptr() for parameter in resumed.parameters()]
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert [parameter.data_ptr() for parameter in resumed.parameters()] == addresses
    train(resumed, source_of(), 6, first=3)
    assert same(whole, resumed)
    assert torch.equal(whole.slots, resumed.slots)
    assert whole.n_steps == resumed.n_steps == 42


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda rule: pickle.loads(pickle.dumps(rule))])
def test_a_copy_learns_by_itself(clone):
    rule = train(rule_of(), source_of(), 2)
    other = clone(rule)
    before = rule.theta.copy()
    train(other, source_of(), 4, first=2)
    np.testing.assert_array_equal(rule.theta, before)
    np.testing.assert_array_equal(other.theta[:5], other.network.weights[0].detach().numpy().ravel()[:5])
    train(rule, source_of(), 4, first=2)
    assert same(rule, other)
    assert not np.array_equal(rule.theta, before)


def test_parameters_with_new_memory_are_bound_again():
    rule, reference = rule_of(), rule_of()
    train(rule, source_of(), 1)
    train(reference, source_of(), 1)
    for parameter in rule.parameters():
        parameter.data = parameter.data.clone()
    train(rule, source_of(), 2, first=1)
    train(reference, source_of(), 2, first=1)
    assert same(rule, reference)
    assert float(rule.network.weights[0].detach()[0, 0]) == rule.theta[0]


def test_the_network_itself_can_be_copied_out():
    rule = train(rule_of(), source_of(), 1)
    network = copy.deepcopy(rule.network)
    before = network.weights[0].detach().clone()
    train(rule, source_of(), 2, first=1)
    assert torch.equal(network.weights[0], before)


@pytest.mark.parametrize("kind", ["read-only", "float32", "fortran", "memmap"])
def test_foreign_arrays_give_the_same_weights(kind, tmp_path):
    x, y = data()
    x, y = np.round(x, 2).astype(np.float32).astype(np.float64), y
    wanted = train(rule_of(), ArraySource(x, y, batch_size=8, random_state=3), 2)
    if kind == "read-only":
        x, y = x.copy(), y.copy()
        x.flags.writeable = y.flags.writeable = False
    elif kind == "float32":
        x, y = x.astype(np.float32), y.astype(np.float32)
    elif kind == "fortran":
        x = np.asfortranarray(x)
    else:
        np.save(tmp_path / "x.npy", x)
        x = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = train(rule_of(), ArraySource(x, y, batch_size=8, random_state=3), 2)
    assert same(wanted, found)


def test_a_loss_that_is_not_finite_ends_the_call_before_its_update():
    x, y = data()
    x[20:24, 1] = np.nan
    source = ArraySource(x, y, batch_size=8, shuffle=False)
    rule, reference = rule_of(), rule_of()
    figures = rule.run(source.epoch(0), 0, source.n_batches)
    assert torch.isfinite(figures["loss"]).tolist() == [True, True, False]
    reference.run(source.epoch(0), 0, 2)
    assert same(rule, reference)
    assert rule.n_steps == 2
    single = rule.step(Batch(torch.from_numpy(x[16:24]), torch.from_numpy(y[16:24])))
    assert torch.isnan(single["loss"])
    assert rule.n_steps == 2


@pytest.mark.parametrize("n_parts", [1, 2])
def test_an_explosion_is_seen(n_parts):
    spec = DenseSpec(4, (8,), ("relu",), (Head(1, "half_squared"),))
    x, _ = data()
    source = ArraySource(x, x[:, :1] * 1e3, batch_size=10, shuffle=False)
    rule = rule_of(spec, optimizer=SGD(10.0), n_parts=n_parts)
    for epoch in range(60):
        losses = rule.run(source.epoch(epoch), 0, source.n_batches)["loss"]
        if not torch.isfinite(losses).all():
            break
    else:
        raise AssertionError("the loss stayed finite")
    assert torch.isfinite(losses[:-1]).all()


def test_an_unknown_class_number_is_not_finite_and_not_read():
    batch = batch_of()
    batch.y[3] = 99.0
    rule = rule_of()
    before = rule.theta.copy()
    assert torch.isnan(rule.step(batch)["loss"])
    np.testing.assert_array_equal(rule.theta, before)


def test_threads_of_python_learn_side_by_side():
    wanted = train(rule_of(), source_of(), 5)
    rules = [rule_of() for _ in range(4)]
    workers = [threading.Thread(target=train, args=(rule, source_of(), 5)) for rule in rules]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(same(rule, wanted) for rule in rules)


def test_the_number_of_threads_changes_no_bit():
    spec = DenseSpec(40, (64, 30), ("relu", "tanh"), (Head(3, "cross_entropy"),), dropout=(0.1, 0.2, 0.0))
    x, y = data(700, n_inputs=40)
    penalty = Penalty(l1=0.01, l2=0.1, max_norm=2.0)
    runs = []
    for n_threads in (1, 2, 3, 2, None):
        rule = rule_of(spec, n_threads=n_threads, n_parts=3, penalty=penalty, clip_norm=0.5)
        runs.append(train(rule, ArraySource(x, y, batch_size=100, random_state=0), 6))
    assert all(same(runs[0], run) for run in runs)


def test_more_threads_than_cores_or_parts_only_wait_their_turn():
    wanted = train(rule_of(n_parts=5, n_threads=1), source_of(), 3)
    assert same(wanted, train(rule_of(n_parts=5, n_threads=200), source_of(), 3))
    assert train(rule_of(n_parts=5000), source_of(), 1).n_steps == 7


def test_a_helper_that_is_there_first_computes_nothing_before_work_is_posted(monkeypatch):
    """On a busy machine the helper may begin before the thread that it helps."""
    spec = DenseSpec(64, (256, 256), ("tanh",) * 2, (Head(3, "cross_entropy"),))
    batch = batch_of(256, n_inputs=64)
    alone = rule_of(spec, n_threads=1, n_parts=3)
    alone.step(batch)  # which compiles everything, too
    rule, seen = rule_of(spec, n_threads=2, n_parts=3), []

    def helper_first(n_helpers, arguments):
        before = rule._layout.work.copy()
        for helper in range(1, n_helpers + 1):
            threading.Thread(target=run_batches, args=(*arguments, helper)).start()
        time.sleep(0.3)
        seen.append((n_helpers, np.array_equal(rule._layout.work, before)))
        run_batches(*arguments, 0)

    monkeypatch.setattr("strata.rules.compiled.rule.in_threads", helper_first)
    rule.step(batch)
    assert seen == [(1, True)]
    assert same(rule, alone)


def test_lbfgs_over_the_compiled_network_equals_that_over_autograd():
    spec = DenseSpec(4, (6,), ("tanh",), (Head(3, "cross_entropy"),))
    penalty = Penalty(l2=0.01)
    network = DenseNetwork(spec, dtype=torch.float64, seed=1)
    autograd = LBFGSRule(copy.deepcopy(network), DenseLoss(spec), optimizer=LBFGS(), penalty=penalty)
    compiled = LBFGSRule(CompiledDense(network, optimizer=LBFGS(), penalty=penalty), optimizer=LBFGS())
    batch = batch_of()
    for _ in range(10):
        left, right = autograd.step(batch), compiled.step(batch)
        assert float(left["loss"]) == pytest.approx(float(right["loss"]), abs=1e-9)


def test_the_gradient_agrees_with_central_differences():
    spec = DenseSpec(3, (5, 4), ("tanh", "softplus"), (Head(2, "huber"), Head(3, "cross_entropy", 0.5, "kind")))
    rng = np.random.default_rng(0)
    batch = Batch(
        torch.from_numpy(rng.normal(size=(7, 3))),
        torch.from_numpy(np.hstack([rng.normal(size=(7, 2)), rng.integers(0, 3, (7, 1))])),
        torch.from_numpy(rng.uniform(0.5, 2.0, 7)),
    )
    rule = rule_of(spec, penalty=Penalty(l1=0.01, l2=0.1, per_sample=True), clip_norm=1e-3)
    _, gradient = rule.loss_and_gradient(batch)
    for i in range(rule.theta.size):
        losses = []
        for shift in (1e-6, -2e-6):
            rule.theta[i] += shift
            losses.append(float(rule.evaluate(batch)["loss"]))
        rule.theta[i] += 1e-6
        assert (losses[0] - losses[1]) / 2e-6 == pytest.approx(gradient[i], rel=1e-6, abs=1e-8)


def test_looking_changes_nothing():
    rule = train(rule_of(), source_of(), 1)
    before, steps = rule.theta.copy(), rule.n_steps
    rule.evaluate(batch_of())
    rule.loss_and_gradient(batch_of())
    rule.trace(batch_of(), dropout=True)
    np.testing.assert_array_equal(rule.theta, before)
    assert rule.n_steps == steps


def test_memory_does_not_grow_with_epochs():
    rule, source = rule_of(), source_of()
    train(rule, source, 50)
    gc.collect()
    before = psutil.Process().memory_info().rss
    train(rule, source, 3000, first=50)
    gc.collect()
    assert psutil.Process().memory_info().rss - before < 2 << 20


def test_evaluation_is_that_of_the_network_without_dropout():
    rule, batch = rule_of(), batch_of()
    wanted = DenseLoss(SPEC)(rule.network.eval()(batch.x), batch.y)
    assert float(rule.evaluate(batch)["loss"]) == pytest.approx(float(wanted.detach()), abs=1e-12)
    assert float(rule.evaluate(batch)["weight"]) == 50


def test_batches_per_call_last_about_a_sixth_of_a_second():
    small, large = rule_of(), rule_of(DenseSpec(3000, (2000,), ("relu",), (Head(10, "cross_entropy"),)))
    assert small.batches_per_call > 10_000
    assert 1 <= large.batches_per_call < 10


def test_what_it_cannot_do_is_said():
    tied = DenseSpec(3, (2,), ("tanh",), (Head(3, "mse"),), tied=True)
    with pytest.raises(ValueError, match="its weights are tied"):
        rule_of(tied)
    assert "dropout changes it" in CompiledDense.supports(SPEC, optimizer="lbfgs")
    assert "after a step" in CompiledDense.supports(
        DenseSpec(3, (), (), (Head(3, "mse"),)), optimizer="lbfgs", penalty=Penalty(max_norm=1.0)
    )
    assert CompiledDense.supports(SPEC) is None
    frozen = DenseNetwork(SPEC)
    frozen.biases[0].requires_grad_(False)
    with pytest.raises(ValueError, match="not all trainable float32 or float64 on the CPU"):
        CompiledDense(frozen)
    with pytest.raises(TypeError, match="`network` must be a DenseNetwork"):
        CompiledDense(torch.nn.Linear(2, 2))
    with pytest.raises(TypeError, match="`penalty` must be a Penalty"):
        rule_of(penalty=0.1)
    with pytest.raises(ValueError, match="`n_parts` must be a whole number >= 1"):
        rule_of(n_parts=0)
    with pytest.raises(ValueError, match="`clip_norm` must be a finite number > 0"):
        rule_of(clip_norm=0)
    plain = rule_of(DenseSpec(4, (), (), (Head(3, "cross_entropy"),)), optimizer="lbfgs")
    with pytest.raises(ValueError, match="Use `LBFGSRule`"):
        plain.step(batch_of())


def test_rows_that_do_not_fit_are_refused():
    rule, batch = rule_of(), batch_of()
    with pytest.raises(ValueError, match=r"`x` must have shape \(N, 4\)"):
        rule.step(Batch(batch.x[:, :3], batch.y))
    with pytest.raises(ValueError, match=r"`y` must have shape \(50, 1\)"):
        rule.step(Batch(batch.x, batch.y[:, 0]))
    with pytest.raises(ValueError, match=r"`sample_weight` must have shape \(50,\)"):
        rule.step(Batch(batch.x, batch.y, torch.ones(3)))
    with pytest.raises(ValueError, match="`y` must be given"):
        rule.step(Batch(batch.x))


def test_it_describes_itself_in_json_able_words():
    described = rule_of(optimizer=Rprop(), penalty=Penalty(l2=0.1)).describe()
    assert described["rule"] == "CompiledDense"
    assert described["loss"] == "cross_entropy"
    assert described["optimizer"]["name"] == "rprop"
    assert described["penalty"]["l2"] == 0.1


def test_float32_and_float64_run_in_one_process_and_a_second_process_loads_from_disk():
    program = """
        import time, torch
        from strata.data.sources import Batch
        from strata.nn import DenseNetwork, DenseSpec, Head
        from strata.rules.compiled import CompiledDense
        spec = DenseSpec(3, (4,), ("relu",), (Head(2, "mse"),))
        for dtype in (torch.float32, torch.float64):
            rule = CompiledDense(DenseNetwork(spec, dtype=dtype))
            start = time.process_time()
            rule.step(Batch(torch.ones(5, 3, dtype=dtype), torch.ones(5, 2, dtype=dtype)))
            print(time.process_time() - start)
    """
    for dtype in (torch.float32, torch.float64):
        x, y = data(dtype=np.float32 if dtype == torch.float32 else np.float64)
        rule_of(dtype=dtype).step(Batch(torch.from_numpy(x), torch.from_numpy(y)))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=200, check=True
    )
    assert all(float(line) < 1.5 for line in done.stdout.split())


def test_every_kernel_is_copied_into_its_callers():
    """One that is called exists several times in other machine code, and which one runs is the linker's choice."""
    modules = [import_module(f"strata.rules.compiled.{m.name}") for m in iter_modules(compiled.__path__)]
    found = {each for module in modules for each in vars(module).values() if isinstance(each, Dispatcher)}
    inner = [each for each in found if not isinstance(each._cache, FunctionCache)]
    assert len(inner) > 30 and len(found) - len(inner) > 10
    assert [each.py_func.__name__ for each in inner if not each.targetoptions.get("forceinline")] == []


@pytest.mark.slow
def test_code_from_disk_computes_the_same_bits_as_code_just_compiled(tmp_path):
    program = """
        import hashlib, warnings
        import numpy as np
        from strata import MLPClassifier, MLPRegressor
        warnings.simplefilter("ignore")
        random = np.random.RandomState(0)
        for dtype in ("float64", "float32"):
            X, y = random.normal(size=(300, 7)).astype(dtype), random.randint(3, size=300)
            for how in ({}, {"dropout": 0.2, "activation": "tanh"}, {"solver": "sgd", "l1": 0.01}, {"solver": "rprop"}):
                model = MLPClassifier((16, 9), random_state=0, max_iter=12, **how).fit(X, y)
                print(hashlib.sha256(b"".join(w.tobytes() for w in model.coefs_)).hexdigest())
            model = MLPRegressor(activation="logistic", random_state=0, max_iter=12).fit(X, X[:, 0])
            print(hashlib.sha256(model.coefs_[0].tobytes()).hexdigest())
    """
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    cold, warm = (
        subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=True).stdout
        for _ in range(2)
    )
    assert len(set(cold.split())) == 10
    assert cold == warm
