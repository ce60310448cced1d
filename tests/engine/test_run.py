"""The loop: what it computes, in which order it calls, and what stops it."""

import math
import time

import numpy as np
import pytest
import torch
from tiny_rules import BATCH_SIZE, N_ROWS, ScriptedRule, TinyRule, tiny_source, tiny_validation

from strata.data.sources import ArraySource, IterableSource
from strata.engine import Callback, train
from strata.engine.run import _Loop
from strata.errors import DataError, NonFiniteError, TrainingMemoryError


def source_of(n_batches, *, shuffle=False):
    return ArraySource(np.zeros((n_batches, 1)), batch_size=1, shuffle=shuffle)


# -- what is computed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [1, 2, 100])
def test_the_weights_are_those_of_a_bare_loop(calls):
    rule, source = TinyRule(calls=calls), tiny_source()
    torch.manual_seed(5)
    np.random.seed(5)
    run = train(rule, source, max_epochs=3)
    bare, data = TinyRule(), tiny_source(random_state=7)
    torch.manual_seed(5)
    np.random.seed(5)
    bare.train()
    losses = []
    for epoch in range(3):
        total = 0.0
        for batch in data.epoch(epoch).take(0, 5):
            logs = bare.step(batch)
            total += float(logs["loss"]) * len(batch.x)
        losses.append(total / N_ROWS)
    assert run.history["loss"] == losses
    for ours, theirs in zip(rule.net.state_dict().values(), bare.net.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_epoch_figures_by_hand():
    """Two batches of weights 3 and 1: (3*2 + 1*6) / 4 = 3; without weights (2 + 6) / 2 = 4."""
    weighted = train(ScriptedRule([2.0, 6.0], weights=[3.0, 1.0]), source_of(2), max_epochs=1)
    assert weighted.history["loss"] == [3.0]
    assert train(ScriptedRule([2.0, 6.0]), source_of(2), max_epochs=1).history["loss"] == [4.0]
    none = train(ScriptedRule([2.0, 6.0], weights=[0.0, 0.0]), source_of(2), max_epochs=1)
    assert math.isnan(none.history["loss"][0])
    assert none.history.columns == ["epoch", "loss", "seconds"]


def test_figures_do_not_depend_on_how_the_epoch_is_cut():
    """0.1 added 1000 times rounds differently pairwise than in turn; both paths must add in turn."""
    values = np.random.RandomState(0).lognormal(0, 4, 1000)
    weights = np.random.RandomState(1).rand(1000) + 0.1
    total = count = 0.0
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        total += value * weight
        count += weight
    assert total != float(np.sum(values * weights))  # the two sums do differ here
    for calls in (1, 7, 60, 333, 1000):
        run = train(ScriptedRule(values, weights=weights, calls=calls), source_of(1000), max_epochs=1)
        assert run.history["loss"] == [total / count]


def test_a_rule_that_logs_unequal_columns_is_told():
    rule = ScriptedRule([1.0])
    rule.run = lambda *_: {"loss": torch.ones(2), "weight": torch.ones(3)}
    with pytest.raises(ValueError, match="one value per batch. Received: 2 of 'loss', 3 of 'weight'"):
        train(rule, source_of(2), max_epochs=1)


def test_validation_is_in_evaluation_mode_and_named():
    modes = []

    def validate(rule):
        modes.append(rule.net.training)
        return {"loss": 1.5, "val_score": np.float64(0.25)}

    rule = TinyRule()
    run = train(rule, tiny_source(), max_epochs=2, validate=validate)
    assert modes == [False, False]
    assert run.history["val_loss"] == [1.5, 1.5]
    assert run.history["val_score"] == [0.25, 0.25]
    assert not rule.net.training  # and the rule is handed over ready to predict
    assert run.history.columns == ["epoch", "loss", "val_loss", "val_score", "rate", "seconds"]


def test_the_rate_is_the_one_the_epoch_began_with():
    run = train(TinyRule(base=0.5, decay=0.5), tiny_source(), max_epochs=2)
    assert run.history["rate"] == [0.5, 0.5**6]


def test_the_rule_is_told_the_plan_and_the_figures():
    rule = ScriptedRule([2.0, 6.0, 1.0, 1.0])
    plans = []
    rule.plan = lambda **plan: plans.append(plan)
    train(rule, source_of(2), max_epochs=2, validate=lambda _: {"loss": 9.0})
    assert plans == [{"n_batches": 2, "max_epochs": 2}]
    assert rule.ended == [{"loss": 4.0, "val_loss": 9.0}, {"loss": 1.0, "val_loss": 9.0}]


# -- callbacks -----------------------------------------------------------------------------------------


def test_hooks_come_in_order():
    told = []

    class Recorder(Callback):
        def on_fit_begin(self, run):
            told.append(("fit", run.epoch, run.batch, run.step))

        def on_epoch_begin(self, run):
            told.append(("epoch", run.epoch, run.batch, run.step))

        def on_batch_end(self, run):
            told.append(("batch", run.epoch, run.batch, run.step, run.batch_figures["loss"]))

        def on_epoch_end(self, run):
            told.append(("epoch end", run.epoch, run.batch, run.step, run.figures["loss"]))

        def on_fit_end(self, run):
            told.append(("fit end", run.epoch, run.stop_reason))

    train(ScriptedRule([1.0, 3.0, 5.0, 7.0], calls=2), source_of(2), max_epochs=2, callbacks=[Recorder()])
    assert told == [
        ("fit", 0, 0, 0),
        ("epoch", 0, 0, 0),
        ("batch", 0, 1, 1, 1.0),
        ("batch", 0, 2, 2, 3.0),
        ("epoch end", 1, 0, 2, 2.0),
        ("epoch", 1, 0, 2),
        ("batch", 1, 1, 3, 5.0),
        ("batch", 1, 2, 4, 7.0),
        ("epoch end", 2, 0, 4, 6.0),
        ("fit end", 2, "max_epochs"),
    ]


def test_callbacks_that_look_at_epochs_only_leave_calls_whole():
    sizes = []
    rule = ScriptedRule([1.0] * 6, calls=4)
    run_whole = rule.run
    rule.run = lambda batches, start, stop: sizes.append((start, stop)) or run_whole(batches, start, stop)
    train(rule, source_of(6), max_epochs=1, callbacks=[Callback()])
    assert sizes == [(0, 4), (4, 6)]


def test_a_callback_can_stop_in_the_middle():
    class Stop(Callback):
        def on_batch_end(self, run):
            if run.step == 3:
                run.stop("enough")
                run.stop("too late")

    run = train(ScriptedRule([1.0, 2.0, 3.0, 4.0]), source_of(2), max_epochs=2, callbacks=[Stop()])
    assert (run.stop_reason, run.epoch, run.batch, run.step) == ("enough", 1, 1, 3)
    assert len(run.history) == 1


# -- what stops it -------------------------------------------------------------------------------------


def test_converged():
    rule = ScriptedRule([3.0, 2.0, 1.0, 0.0])
    type_converged = property(lambda self: int(self.t) >= 3)
    rule.__class__ = type("Converging", (ScriptedRule,), {"converged": type_converged})
    run = train(rule, source_of(1), max_epochs=4)
    assert (run.stop_reason, run.epoch) == ("converged", 3)


def test_max_steps_and_no_epochs():
    run = train(ScriptedRule([1.0] * 9, calls=100), source_of(3), max_epochs=3, max_steps=5)
    assert (run.stop_reason, run.epoch, run.batch, run.step) == ("max_steps", 1, 2, 5)
    run = train(ScriptedRule([1.0] * 9), source_of(3), max_epochs=3, max_steps=0)
    assert (run.stop_reason, run.step) == ("max_steps", 0)
    assert train(ScriptedRule([]), source_of(3), max_epochs=0).stop_reason == "max_epochs"


def test_time_limit_stops_within_an_epoch():
    rule = TinyRule()
    learn = rule.step
    rule.step = lambda batch: time.sleep(0.02) or learn(batch)
    begun = time.monotonic()
    run = train(rule, tiny_source(batch_size=2), max_epochs=1000, time_limit=0.2)
    assert run.stop_reason == "time_limit"
    assert 0.2 <= time.monotonic() - begun < 2.0
    assert (run.epoch, run.figures["loss"] > 0) == (0, True)
    assert 1 <= run.batch <= 10


@pytest.mark.parametrize("calls", [1, 4])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_at_its_batch(calls, bad):
    rule = ScriptedRule([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, bad, 1.0], calls=calls)
    with pytest.raises(NonFiniteError) as caught:
        train(rule, source_of(4), max_epochs=2)
    assert (caught.value.epoch, caught.value.batch) == (2, 3)
    assert str(caught.value) == (
        f"The loss became {bad} in epoch 2, batch 3. Lower the learning rate, scale the inputs, or clip the gradient. "
        "The rule was set back to the beginning of this call."
    )


def test_an_exploding_rule_is_given_finite_weights_back():
    rule = TinyRule(base=1e200)
    begin = {name: value.clone() for name, value in rule.net.state_dict().items()}
    with pytest.raises(NonFiniteError, match="in epoch 1, batch [12345]\\."):
        train(rule, tiny_source(), max_epochs=3)
    assert all(torch.equal(value, begin[name]) for name, value in rule.net.state_dict().items())
    assert rule.t == 0


def test_weights_that_end_infinite_are_found_though_every_loss_was_finite():
    class Burst(ScriptedRule):
        def step(self, batch):
            logs = super().step(batch)
            if int(self.t) == 4:
                with torch.no_grad():
                    self.weight[1] = math.inf
            return logs

    rule = Burst([1.0] * 4)
    with pytest.raises(NonFiniteError, match="The weights 'weight' became NaN or infinite in epoch 2, batch 2"):
        train(rule, source_of(2), max_epochs=2)
    assert rule.weight.tolist() == [0.0, 0.0]


def test_a_batch_that_does_not_fit_says_what_to_do():
    rule = TinyRule()

    def no_memory(batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 4.00 GiB.\nGPU 0 has ...")

    learn, rule.step = rule.step, no_memory
    with pytest.raises(TrainingMemoryError) as caught:
        train(rule, tiny_source(), max_epochs=1)
    assert str(caught.value) == (
        "A batch of batch_size=8 rows does not fit into the memory of cpu. Try batch_size=4, a smaller network, or "
        "another device. (CUDA out of memory. Tried to allocate 4.00 GiB.)"
    )
    rule.step = learn
    assert train(rule, tiny_source(), max_epochs=1).epoch == 1


def test_other_errors_pass_unchanged():
    rule = TinyRule()
    rule.step = lambda batch: (_ for _ in ()).throw(RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        train(rule, tiny_source(), max_epochs=1)


# -- streams -------------------------------------------------------------------------------------------


def stream(epoch):
    data = np.random.RandomState(epoch)
    for rows in (8, 8, 3):
        yield data.randn(rows, 4), data.randn(rows, 1)


def test_a_stream_of_unknown_length():
    rule = TinyRule(calls=2)
    run = train(rule, IterableSource(stream, batch_size=BATCH_SIZE), max_epochs=2)
    assert (run.epoch, run.step, len(rule.seen)) == (2, 6, 38)


def test_a_stream_that_cannot_be_repeated_is_refused():
    once = iter([(np.zeros((8, 4)), np.zeros((8, 1)))])
    with pytest.raises(DataError, match=r"Epoch 2 gave no batches.*fresh iterable"):
        train(TinyRule(), IterableSource(lambda epoch: once, batch_size=8), max_epochs=2)


# -- arguments -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_epochs": 2.5}, TypeError, "`max_epochs` must be an integer. Received: max_epochs=2.5."),
        ({"max_epochs": True}, TypeError, "`max_epochs` must be an integer. Received: max_epochs=True."),
        ({"max_epochs": -1}, ValueError, "`max_epochs` must be 0 or more. Received: max_epochs=-1."),
        ({"max_epochs": 1, "max_steps": -1}, ValueError, "`max_steps` must be 0 or more. Received: max_steps=-1."),
        (
            {"max_epochs": 1, "time_limit": 0},
            ValueError,
            "`time_limit` must be above 0 seconds. Received: time_limit=0.",
        ),
        ({"max_epochs": 1, "time_limit": "1"}, TypeError, "`time_limit` must be a number of seconds."),
        ({"max_epochs": 1, "resume": True}, ValueError, "`resume` must come with a `checkpoint` to resume from."),
    ],
)
def test_arguments(options, error, message):
    rule = TinyRule()
    with pytest.raises(error) as caught:
        train(rule, tiny_source(), **options)
    assert str(caught.value).startswith(message)
    assert rule.t == 0


def test_repr_of_a_run():
    run = train(ScriptedRule([1.0] * 4), source_of(2), max_epochs=2)
    assert repr(run) == "Run(epoch=2/2, step=4, max_epochs)"


# -- speed ---------------------------------------------------------------------------------------------


class NoWork(ScriptedRule):
    """Take no time at all, so that what is left is the engine's."""

    def run(self, batches, start, stop):
        return self.logs


def test_overhead_per_epoch():
    """Under 60 us on a quiet machine (25 measured); the bound leaves room for a busy one."""
    rule = NoWork([], calls=10**9)
    rule.logs = {"loss": torch.ones(7, dtype=torch.float64), "weight": torch.ones(7, dtype=torch.float64)}
    source = source_of(7, shuffle=True)
    train(rule, source, max_epochs=100)
    best = math.inf
    for _ in range(5):
        begun = time.process_time()
        train(rule, source, max_epochs=500)
        best = min(best, (time.process_time() - begun) / 500)
    assert best < 150e-6


def test_memory_does_not_grow_with_epochs():
    psutil = pytest.importorskip("psutil")
    rule = NoWork([], calls=10**9)
    rule.logs = {"loss": torch.ones(7), "weight": torch.ones(7)}
    train(rule, source_of(7, shuffle=True), max_epochs=2000)
    before = psutil.Process().memory_info().rss
    train(rule, source_of(7, shuffle=True), max_epochs=10_000)
    assert psutil.Process().memory_info().rss - before < 8 << 20  # the history takes 1 MB of it


def test_validation_of_the_tiny_rule_is_deterministic():
    rule = TinyRule()
    rule.eval()
    assert tiny_validation(rule) == tiny_validation(rule)


def test_figures_that_wait_on_an_accelerator_are_the_same(monkeypatch):
    """On a device the engine looks at losses some calls later, but still names the batch."""
    begin = _Loop.__init__

    def lazy(self, *arguments, **options):
        begin(self, *arguments, **options)
        self.lazily = True

    monkeypatch.setattr(_Loop, "__init__", lazy)
    values = np.random.RandomState(0).rand(100)
    run = train(ScriptedRule(values, calls=2), source_of(50), max_epochs=2)
    monkeypatch.setattr(_Loop, "__init__", begin)
    assert run.history["loss"] == train(ScriptedRule(values), source_of(50), max_epochs=2).history["loss"]
    monkeypatch.setattr(_Loop, "__init__", lazy)
    values[61] = math.nan
    rule = ScriptedRule(values, calls=2)
    with pytest.raises(NonFiniteError) as caught:
        train(rule, source_of(50), max_epochs=2)
    assert (caught.value.epoch, caught.value.batch) == (2, 12)


def test_what_is_no_rule_or_no_source_is_refused_by_name():
    with pytest.raises(TypeError, match=r"`rule` must have a method `run`. Received: rule=3"):
        train(3, tiny_source(), max_epochs=1)
    with pytest.raises(TypeError, match=r"`source` must have a method `epoch`. Received: source=4"):
        train(TinyRule(), 4, max_epochs=1)
