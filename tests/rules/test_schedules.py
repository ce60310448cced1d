"""Schedules against torch.optim.lr_scheduler, scikit-learn, and by hand."""

import copy
import json

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from strata.rules import (
    SCHEDULES,
    Adaptive,
    Constant,
    Cosine,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    StepDecay,
    Warmup,
    get_schedule,
)

BASE = 0.3


def torch_rates(make, n, figures=None):
    """Rate of each step as a scheduler of torch sets it."""
    optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=BASE)
    scheduler = make(optimizer)
    rates = []
    for step in range(n):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step() if figures is None else scheduler.step(figures[step])
    return rates


def epoch_rates(schedule, n, figures=None):
    """Rate of each epoch of one step."""
    rates = []
    for epoch in range(n):
        rates.append(schedule.rate(BASE, epoch))
        schedule.end_epoch({"loss": 1.0} if figures is None else figures[epoch], n_samples=10)
    return rates


def planned(schedule, n_batches, max_epochs):
    schedule.plan(n_batches=n_batches, max_epochs=max_epochs)
    return schedule


def test_step_is_torchs():
    expected = torch_rates(lambda o: lr_scheduler.StepLR(o, step_size=3, gamma=0.4), 11)
    np.testing.assert_allclose(StepDecay(every=3, factor=0.4, by="steps").rates(BASE, 0, 11), expected, rtol=1e-14)
    np.testing.assert_allclose(epoch_rates(StepDecay(every=3, factor=0.4), 11), expected, rtol=1e-14)


def test_step_takes_thirds_of_the_run_where_nothing_else_is_said():
    by_epoch = epoch_rates(planned(StepDecay(), 4, 10), 10)
    np.testing.assert_allclose(by_epoch, BASE * 0.1 ** np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2]), rtol=1e-14)
    by_step = planned(StepDecay(by="steps"), 3, 2).rates(BASE, 0, 6)
    np.testing.assert_allclose(by_step, BASE * 0.1 ** np.array([0, 0, 1, 1, 2, 2]), rtol=1e-14)
    with pytest.raises(ValueError, match="must know the length of the run"):
        StepDecay().rates(BASE, 0, 1)


def test_cosine_is_torchs_until_its_end():
    expected = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=12, eta_min=0.01), 13)
    np.testing.assert_allclose(Cosine(period=12, min_rate=0.01).rates(BASE, 0, 13), expected, rtol=1e-12)
    by_epoch = planned(Cosine(min_rate=0.01, by="epochs"), None, 12)
    np.testing.assert_allclose(epoch_rates(by_epoch, 13), expected, rtol=1e-12)
    whole_run = planned(Cosine(min_rate=0.01), 4, 3)
    np.testing.assert_allclose(whole_run.rates(BASE, 0, 20)[:13], expected, rtol=1e-12)
    assert set(whole_run.rates(BASE, 12, 8)) == {0.01}


@pytest.mark.parametrize(("n", "rise"), [(20, 0.3), (11, 0.25), (5, 0.1)])
def test_one_cycle_is_torchs(n, rise):
    optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=BASE)
    scheduler = lr_scheduler.OneCycleLR(optimizer, BASE, total_steps=n, pct_start=rise, cycle_momentum=False)
    expected = []
    for step in range(n):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < n - 1:
            scheduler.step()
    ours = OneCycle(n_steps=n, rise=rise).rates(BASE, 0, n)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
    np.testing.assert_array_equal(planned(OneCycle(rise=rise), n, 1).rates(BASE, 0, n), ours)
    assert OneCycle(n_steps=n, rise=rise).rate(BASE, n + 5) == ours[-1]


def test_one_cycle_of_two_steps():  # where torch divides by zero: the peak, then the end
    np.testing.assert_allclose(OneCycle(n_steps=2, rise=0.5).rates(BASE, 0, 2), [BASE, BASE / 25 / 1e4], rtol=1e-9)


@pytest.mark.filterwarnings("ignore:The epoch parameter in")  # torch's own, inside its SequentialLR
def test_warmup_then_cosine_is_torchs_sequence():
    def sequence(optimizer):
        rise = lr_scheduler.LinearLR(optimizer, start_factor=0.2, total_iters=5)
        fall = lr_scheduler.CosineAnnealingLR(optimizer, T_max=15)
        return lr_scheduler.SequentialLR(optimizer, [rise, fall], milestones=[5])

    expected = torch_rates(sequence, 20)
    ours = planned(Warmup(n_steps=5, start=0.2, then="cosine"), 4, 5)
    np.testing.assert_allclose(ours.rates(BASE, 0, 20), expected, rtol=1e-12)
    pieces = np.concatenate([ours.rates(BASE, 0, 3), ours.rates(BASE, 3, 4), ours.rates(BASE, 7, 13)])
    np.testing.assert_array_equal(pieces, ours.rates(BASE, 0, 20))


def test_warmup_by_hand():
    default = planned(Warmup(), 10, 8)  # a twentieth of 80 steps
    np.testing.assert_allclose(default.rates(1.0, 0, 6), [0.1, 0.325, 0.55, 0.775, 1, 1])
    slow = planned(Warmup(n_steps=2, start=0.5, then=StepDecay(every=1, factor=0.1)), 3, 4)
    assert slow.rates(1.0, 0, 3).tolist() == [0.5, 0.75, 1.0]
    slow.end_epoch({"loss": 1.0})
    np.testing.assert_allclose(slow.rates(1.0, 3, 3), [0.1, 0.1, 0.1])
    adaptive = Warmup(n_steps=1, then="adaptive")
    assert adaptive.lower(1.0, 5, 0.2)
    assert adaptive.rate(1.0, 5) == 0.2


PLATEAUS = [1.0, 0.8, 0.8, 0.79999, 0.9, 0.7, 0.7, 0.7, 0.7, 0.7, 0.6, 0.65, 0.65, 0.65, 0.65, 0.65]


@pytest.mark.parametrize(
    "options",
    [
        {"factor": 0.5, "patience": 1},
        {"factor": 0.5, "patience": 2, "cooldown": 2},
        {"factor": 0.1, "patience": 0, "min_lr": 0.05},
        {"factor": 0.5, "patience": 0, "mode": "max", "threshold": 0.1},
    ],
)
def test_reduce_on_plateau_is_torchs(options):
    expected = torch_rates(lambda o: lr_scheduler.ReduceLROnPlateau(o, eps=0, **options), 16, PLATEAUS)
    ours = {("min_rate" if name == "min_lr" else name): value for name, value in options.items()}
    figures = [{"loss": 5.0, "val_loss": value} for value in PLATEAUS]
    np.testing.assert_allclose(epoch_rates(ReduceOnPlateau(**ours), 16, figures), expected, rtol=1e-12)
    assert len(set(expected)) > 1


def test_reduce_on_plateau_reads_the_named_figure():
    figures = [{"loss": 1.0, "accuracy": value} for value in (0.5, 0.6, 0.6, 0.6)]
    schedule = ReduceOnPlateau("accuracy", "max", factor=0.5, patience=0)
    np.testing.assert_allclose(epoch_rates(schedule, 4, figures), [0.3, 0.3, 0.3, 0.15])
    with pytest.raises(ValueError, match="Unknown `monitor` 'val_los'. Did you mean 'val_loss'"):
        ReduceOnPlateau("val_los").end_epoch({"loss": 1.0, "val_loss": 2.0})
    fallback = ReduceOnPlateau(factor=0.5, patience=0)
    assert epoch_rates(fallback, 3, [{"loss": 1.0}] * 3) == [0.3, 0.3, 0.15]


def test_inverse_scaling_is_scikit_learns():
    from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

    theirs = SGDOptimizer([np.zeros(1)], BASE, "invscaling", power_t=0.4)
    ours = InverseScaling(power_t=0.4)
    for epoch in range(1, 4):
        assert ours.rates(BASE, 7 * epoch, 3).tolist() == [theirs.learning_rate] * 3
        theirs.iteration_ends(57 * epoch)
        ours.end_epoch({"loss": 1.0}, n_samples=57)
    assert ours.rate(BASE, 0) == BASE / (171 + 1) ** 0.4
    np.testing.assert_allclose(InverseScaling(power_t=1, by="steps").rates(1.0, 2, 3), [1 / 3, 1 / 4, 1 / 5])


def test_adaptive_is_scikit_learns():
    from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

    theirs, ours = SGDOptimizer([np.zeros(1)], 1e-3, "adaptive"), Adaptive()
    for step in range(8):
        assert ours.rate(1e-3, step) == pytest.approx(theirs.learning_rate, rel=1e-12)
        assert ours.lower(1e-3, step, 0.2) == (not theirs.trigger_stopping("", False))
    assert ours.rate(1e-3, 9) == pytest.approx(1e-3 / 5**5)
    with pytest.raises(ValueError, match="`factor` must be a finite number > 0 and < 1"):
        ours.lower(1e-3, 0, 2.0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_keeps_the_contract(name):
    schedule = planned(get_schedule(name), 5, 12)
    assert schedule.name == name
    assert json.loads(json.dumps(schedule.describe()))["name"] == name
    fresh = planned(get_schedule(name), 5, 12)
    for epoch in range(12):
        rates = schedule.rates(BASE, 5 * epoch, 5)
        assert rates.dtype == np.float64
        assert rates.shape == (5,)
        assert (rates >= 0).all()
        assert (rates <= BASE * (1 + 1e-12)).all()
        assert [schedule.rate(BASE, 5 * epoch + i) for i in range(5)] == rates.tolist()
        fresh = planned(get_schedule(name), 5, 12)  # a resumed run
        fresh.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
        assert fresh.rates(BASE, 5 * epoch, 5).tolist() == rates.tolist()
        for each in (schedule, fresh):
            each.lower(BASE, 5 * epoch, 0.5)
            each.end_epoch({"loss": 1.0}, n_samples=40)
        assert fresh.state_dict() == schedule.state_dict()
    assert (schedule.rate(BASE, 60) != BASE) == (name not in ("constant", "warmup"))
    assert copy.deepcopy(schedule).state_dict() == schedule.state_dict()


@pytest.mark.parametrize("schedule", [Cosine(), OneCycle(), Warmup()])
def test_an_unknown_length_is_named(schedule):
    schedule.n_batches, schedule.max_epochs = None, 4
    with pytest.raises(ValueError, match=rf"The schedule '{schedule.name}' must know the length of the run"):
        schedule.rates(BASE, 0, 3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: get_schedule("cosin"), ValueError, "Unknown schedule 'cosin'. Did you mean 'cosine'?"),
        (lambda: get_schedule(3), TypeError, "`schedule` must be a name or a Schedule. Received: schedule=3"),
        (lambda: InverseScaling(power_t=-1), ValueError, "`power_t` must be a finite number >= 0"),
        (lambda: InverseScaling(by="epochs"), ValueError, "Unknown `by` 'epochs'"),
        (lambda: Adaptive(min_rate=-1), ValueError, "`min_rate` must be a finite number >= 0"),
        (lambda: StepDecay(every=0), ValueError, "`every` must be a whole number >= 1"),
        (lambda: StepDecay(factor=2), ValueError, "`factor` must be a finite number > 0 and <= 1"),
        (lambda: Cosine(period=0), ValueError, "`period` must be a whole number >= 1"),
        (lambda: OneCycle(rise=1), ValueError, "`rise` must be a finite number > 0 and < 1"),
        (lambda: OneCycle(n_steps=1), ValueError, "`n_steps` must be a whole number >= 2"),
        (lambda: Warmup(start=0), ValueError, "`start` must be a finite number > 0 and <= 1"),
        (lambda: Warmup(then="coast"), ValueError, "Unknown schedule 'coast'"),
        (lambda: ReduceOnPlateau(mode="least"), ValueError, "Unknown `mode` 'least'"),
        (lambda: ReduceOnPlateau(patience=1.5), TypeError, "`patience` must be a whole number >= 0"),
        (
            lambda: Constant().load_state_dict(StepDecay().state_dict()),
            ValueError,
            "`state` must be that of a schedule",
        ),
    ],
)
def test_bad_values_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
