"""A run that was cut up anywhere ends with the same bits as one that was not."""

import math

import numpy as np
import pytest
import torch
from tiny_rules import N_ROWS, TinyRule, tiny_source, tiny_validation

from strata.engine import Checkpointing, EarlyStopping, train
from strata.engine._state import copy_tree

N_EPOCHS, N_STEPS = 8, 40


@pytest.fixture(autouse=True)
def _fast_disk(monkeypatch):
    """What is proved here is about processes that die, not about power cuts."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def seed_globals(number):
    torch.manual_seed(number)
    np.random.seed(number)


def same(ours, theirs):
    """Compare nested state bit by bit."""
    if isinstance(ours, torch.Tensor):
        return isinstance(theirs, torch.Tensor) and ours.dtype == theirs.dtype and torch.equal(ours, theirs)
    if isinstance(ours, np.ndarray):
        return isinstance(theirs, np.ndarray) and np.array_equal(ours, theirs, equal_nan=True)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, (list, tuple)):
        return len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs, strict=True))
    return ours == theirs or (ours != ours and theirs != theirs)


def outcome(rule, run, source):
    figures = {name: run.history[name] for name in run.history.columns if name != "seconds"}
    return {
        "rule": copy_tree(rule.state_dict()),
        "history": figures,
        "step": run.step,
        "next_draw": (float(torch.rand(())), float(np.random.rand())),
        "next_order": source.epoch(run.epoch).order.copy(),
    }


def uninterrupted(*, max_epochs=N_EPOCHS, callbacks=(), calls=1):
    rule, source = TinyRule(calls=calls), tiny_source()
    seed_globals(11)
    run = train(rule, source, max_epochs=max_epochs, validate=tiny_validation, callbacks=callbacks)
    return outcome(rule, run, source)


def part(folder, *, seed, resume, max_epochs=N_EPOCHS, callbacks=(), calls=1, max_steps=None, **checkpointing):
    """One process's share of the run: nothing but the folder is left of the one before."""
    rule, source = TinyRule(seed=seed, calls=calls), tiny_source(random_state=7 if not resume else 1000 + seed)
    seed_globals(11 if not resume else 5000 + seed)
    run = train(
        rule,
        source,
        max_epochs=max_epochs,
        validate=tiny_validation,
        callbacks=callbacks,
        checkpoint=Checkpointing(folder, **checkpointing),
        resume=resume,
        max_steps=max_steps,
    )
    return rule, run, source


@pytest.fixture(scope="module")
def whole():
    return uninterrupted()


def test_the_oracle_can_tell(whole):
    """Another seed of any generator gives other bits, so equality below means something."""
    rule, source = TinyRule(), tiny_source()
    seed_globals(12)
    run = train(rule, source, max_epochs=N_EPOCHS, validate=tiny_validation)
    assert not same(outcome(rule, run, source)["rule"], whole["rule"])
    rule, source = TinyRule(), tiny_source(random_state=8)
    seed_globals(11)
    run = train(rule, source, max_epochs=N_EPOCHS, validate=tiny_validation)
    assert not same(outcome(rule, run, source)["rule"], whole["rule"])


@pytest.mark.parametrize("step", range(1, N_STEPS))
def test_stop_at_every_step_and_resume(tmp_path, whole, step):
    rule, run, _ = part(tmp_path, seed=0, resume=False, max_steps=step, calls=3)
    assert (run.step, run.stop_reason) == (step, "max_steps")
    rule, run, source = part(tmp_path, seed=1, resume=True, calls=2)
    assert run.stop_reason == "max_epochs"
    assert same(outcome(rule, run, source), whole)


class KilledError(Exception):
    """The process died: nothing after this point was saved."""


@pytest.mark.parametrize("step", [1, 4, 5, 6, 13, 25, 39])
@pytest.mark.parametrize("every", [1, 4])
def test_die_at_a_step_and_resume(tmp_path, whole, monkeypatch, step, every):
    learn = TinyRule.step

    def step_or_die(self, batch):
        if self.t == step:
            raise KilledError
        return learn(self, batch)

    monkeypatch.setattr(TinyRule, "step", step_or_die)
    with pytest.raises(KilledError):
        part(tmp_path, seed=0, resume=False, every_steps=every, every_epochs=None)
    monkeypatch.setattr(TinyRule, "step", learn)
    if step < every:  # nothing was saved: the whole run starts again
        rule, run, source = part(tmp_path, seed=0, resume=False, every_steps=every)
        assert not run.resumed
    else:
        rule, run, source = part(tmp_path, seed=1, resume=True, every_steps=every)
        assert run.resumed
        assert rule.t == N_STEPS
        assert len(rule.seen) <= (N_STEPS - (step - every)) * 8  # no more than an interval was lost
    assert same(outcome(rule, run, source), whole)


def test_three_resumes_within_one_epoch_see_every_row_once(tmp_path, whole):
    seen = []
    for number, stop in enumerate([11, 12, 14, 15]):  # the third epoch is steps 10 to 14
        rule, run, _ = part(tmp_path, seed=number, resume=number > 0, max_steps=stop)
        seen += rule.seen
    third = seen[2 * N_ROWS :]
    assert sorted(third) == list(range(N_ROWS))
    assert third != sorted(third)
    rule, run, source = part(tmp_path, seed=9, resume=True)
    assert same(outcome(rule, run, source), whole)


def test_calls_of_many_batches_change_nothing(whole):
    assert same(uninterrupted(calls=3), whole)
    assert same(uninterrupted(calls=1000), whole)


def test_extension_equals_a_longer_run(tmp_path):
    long = uninterrupted(max_epochs=12)
    part(tmp_path, seed=0, resume=False, max_epochs=5)
    part(tmp_path, seed=1, resume=True, max_epochs=9)
    rule, run, source = part(tmp_path, seed=2, resume=True, max_epochs=12)
    assert same(outcome(rule, run, source), long)
    assert run.history["epoch"] == list(range(1, 13))


def stopping(**options):
    return [EarlyStopping("val_loss", tol=0.0, patience=options.pop("patience", 3), **options)]


@pytest.mark.parametrize("options", [{}, {"lower_rate": True}, {"patience": 1}])
def test_early_stopping_goes_on_as_if_nothing_had_happened(tmp_path, options):
    callbacks = stopping(**options)
    long = uninterrupted(max_epochs=30, callbacks=callbacks)
    assert long["step"] % 5 == 0
    for number, stop in enumerate([3, 22, 58, None]):
        callbacks_now = stopping(**options)
        rule, run, source = part(
            tmp_path, seed=number, resume=number > 0, max_epochs=30, callbacks=callbacks_now, max_steps=stop
        )
    assert same(outcome(rule, run, source), long)
    assert (callbacks_now[0].best, callbacks_now[0].best_epoch) == (callbacks[0].best, callbacks[0].best_epoch)
    assert callbacks_now[0].best == min(run.history["val_loss"])


def test_extension_of_a_run_that_gave_back_its_best_epoch(tmp_path):
    """The checkpoint holds where training stood, not the best epoch that the caller was given."""
    long = uninterrupted(max_epochs=14, callbacks=stopping(patience=math.inf))
    rule, run, _ = part(tmp_path, seed=0, resume=False, max_epochs=6, callbacks=stopping(patience=math.inf))
    best = int(np.argmin(run.history["val_loss"])) + 1
    assert rule.t == 5 * best
    assert rule.t < 30  # this test needs a best epoch that is not the last
    rule, run, source = part(tmp_path, seed=1, resume=True, max_epochs=14, callbacks=stopping(patience=math.inf))
    assert same(outcome(rule, run, source), long)


def test_a_run_that_stopped_early_does_not_go_on(tmp_path):
    _, run, _ = part(tmp_path, seed=0, resume=False, max_epochs=40, callbacks=stopping(patience=0))
    assert run.stop_reason == "early_stopping"
    rule, again, _ = part(tmp_path, seed=1, resume=True, max_epochs=40, callbacks=stopping(patience=0))
    assert (again.stop_reason, again.epoch) == ("early_stopping", run.epoch)
    assert rule.seen == []
    rule, longer, _ = part(tmp_path, seed=1, resume=True, max_epochs=40, callbacks=stopping(patience=5))
    assert longer.epoch > run.epoch  # more patience is a wish to go on


def test_resume_begins_where_there_is_nothing(tmp_path, whole):
    rule, source = TinyRule(), tiny_source()
    seed_globals(11)
    run = train(
        rule, source, max_epochs=8, validate=tiny_validation, checkpoint=Checkpointing(tmp_path / "new"), resume=True
    )
    assert not run.resumed
    assert same(outcome(rule, run, source), whole)
