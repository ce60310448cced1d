"""Early stopping against the count of scikit-learn's own networks."""

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from tiny_rules import ScriptedRule, TinyRule, tiny_source, tiny_validation

from strata.data.sources import ArraySource
from strata.engine import Callback, EarlyStopping, train


def replay(losses, *, callbacks, scores=None, max_epochs=None, **rule):
    """Run epochs of one batch whose losses (and validation scores) are given."""
    script = ScriptedRule(losses, **rule)
    epochs = iter(scores if scores is not None else [])
    validate = None if scores is None else lambda _: {"score": next(epochs)}
    source = ArraySource(np.zeros((1, 1)), batch_size=1, shuffle=False)
    run = train(script, source, max_epochs=max_epochs or len(losses), validate=validate, callbacks=callbacks)
    return run, script


def fit(**options):
    """Let scikit-learn train until its own count stops it."""
    data = np.random.RandomState(0)
    x = data.randn(120, 5)
    y = (x[:, 0] + 0.5 * data.randn(120) > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MLPClassifier((6,), random_state=1, max_iter=1000, **options).fit(x, y)


@pytest.mark.parametrize("tol", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("patience", [0, 1, 4, 10])
def test_stops_where_scikit_learn_stops_on_the_loss(tol, patience):
    theirs = fit(learning_rate_init=0.02, tol=tol, n_iter_no_change=max(1, patience))
    ours = EarlyStopping("loss", tol=tol, patience=max(1, patience), restore_best=False)
    losses = [*theirs.loss_curve_, *[theirs.loss_curve_[-1] - 1.0] * 5]  # it would go on if it were asked
    run, _ = replay(losses, callbacks=[ours])
    assert (run.epoch, run.stop_reason) == (theirs.n_iter_, "early_stopping")
    assert theirs.n_iter_ < 1000
    assert ours.best == theirs.best_loss_
    assert ours.count == theirs._no_improvement_count


@pytest.mark.parametrize("patience", [1, 3, 10])
def test_stops_where_scikit_learn_stops_on_the_score(patience):
    theirs = fit(early_stopping=True, learning_rate_init=0.02, n_iter_no_change=patience, tol=1e-3)
    ours = EarlyStopping("val_score", tol=1e-3, patience=patience)
    assert ours.mode == "max"
    scores = [*theirs.validation_scores_, 2.0, 2.0]
    run, _ = replay([1.0] * len(scores), scores=scores, callbacks=[ours])
    assert (run.epoch, run.stop_reason) == (theirs.n_iter_, "early_stopping")
    assert ours.best == theirs.best_validation_score_
    assert ours.best_epoch == int(np.argmax(theirs.validation_scores_)) + 1


@pytest.mark.parametrize("patience", [1, 5])
def test_lowers_the_rate_where_scikit_learn_does(patience):
    theirs = fit(solver="sgd", learning_rate="adaptive", learning_rate_init=0.5, n_iter_no_change=patience, tol=1e-3)
    n_lowerings = round(math.log(0.5 / theirs._optimizer.learning_rate, 5))
    assert n_lowerings > 5
    ours = EarlyStopping("loss", tol=1e-3, patience=patience, restore_best=False, lower_rate=True)
    losses = [*theirs.loss_curve_, *[0.0] * 3]
    run, rule = replay(losses, callbacks=[ours], rate=0.5, n_lowerings=n_lowerings)
    assert (run.epoch, run.stop_reason) == (theirs.n_iter_, "early_stopping")
    assert rule.rate == pytest.approx(theirs._optimizer.learning_rate, rel=1e-12)


@pytest.mark.parametrize(("patience", "epochs"), [(0, 2), (1, 3), (2, 7), (math.inf, 7)])
def test_patience_by_hand(patience, epochs):
    """5, 5, 5, 4, 4, 4, 4: one epoch without improvement after the first, two after that, three at the end."""
    losses = [5.0, 5.0, 5.0, 4.0, 4.0, 4.0, 4.0]
    run, _ = replay(losses, callbacks=[EarlyStopping("loss", tol=0.5, patience=patience, restore_best=False)])
    assert run.epoch == epochs


def test_a_nan_score_begins_the_count_again():
    scores = [0.5, 0.4, 0.4, math.nan, 0.4, 0.4, 0.4]
    run, _ = replay([1.0] * 7, scores=scores, callbacks=[EarlyStopping("val_score", patience=2, tol=0.0)])
    assert (run.epoch, run.stop_reason) == (7, "early_stopping")


def test_an_improvement_below_tol_counts_against_the_patience_but_is_kept():
    stopping = EarlyStopping("loss", tol=1.0, patience=1)
    run, rule = replay([5.0, 4.5, 4.2, 0.0], callbacks=[stopping])
    assert (run.epoch, stopping.best, stopping.best_epoch) == (3, 4.2, 3)


def test_restore_best_gives_back_the_whole_state():
    """Weights, batch statistics, optimizer and step counter all of the same epoch."""
    states = {}

    class Keep(Callback):
        def on_epoch_end(self, run):
            weights = {name: value.clone() for name, value in run.rule.net.state_dict().items()}
            moments = [value["exp_avg"].clone() for value in run.rule.optimizer.state.values()]
            states[run.epoch] = weights, moments

    stopping = EarlyStopping("val_loss", patience=math.inf)
    rule = TinyRule()
    run = train(rule, tiny_source(), max_epochs=9, validate=tiny_validation, callbacks=[Keep(), stopping])
    best = int(np.argmin(run.history["val_loss"])) + 1
    assert stopping.best_epoch == best < 9
    weights, moments = states[best]
    assert all(torch.equal(value, weights[name]) for name, value in rule.net.state_dict().items())
    ours = [value["exp_avg"] for value in rule.optimizer.state.values()]
    assert all(torch.equal(a, b) for a, b in zip(ours, moments, strict=True))
    assert rule.t == 5 * best
    assert tiny_validation(rule)["loss"] == min(run.history["val_loss"])
    again = train(rule, tiny_source(), max_epochs=1)  # and it can go on learning without touching what was kept
    assert again.epoch == 1
    assert all(torch.equal(stopping._best_state[f"net.{name}"], weights[name]) for name in weights)


def test_the_last_epoch_is_kept_without_restore_best():
    rule = TinyRule()
    stopping = EarlyStopping("val_loss", patience=math.inf, restore_best=False)
    train(rule, tiny_source(), max_epochs=9, validate=tiny_validation, callbacks=[stopping])
    assert rule.t == 45


def test_a_callback_used_twice_starts_afresh():
    stopping = EarlyStopping("loss", patience=1, tol=0.0)
    first, _ = replay([1.0, 2.0, 2.0, 2.0], callbacks=[stopping])
    second, _ = replay([9.0, 8.0, 9.0, 9.0], callbacks=[stopping])
    assert (first.epoch, second.epoch, stopping.best) == (3, 4, 8.0)


def test_a_state_that_is_handed_on_is_counted_on():
    """As scikit-learn's warm start does."""
    first = EarlyStopping("loss", patience=3, tol=0.0)
    replay([1.0, 2.0, 2.0], callbacks=[first])
    second = EarlyStopping("loss", patience=3, tol=0.0)
    second.load_state_dict(first.state_dict())
    run, _ = replay([2.0, 2.0, 2.0, 2.0], callbacks=[second])
    assert (run.epoch, second.best) == (2, 1.0)
    other = EarlyStopping("val_loss", patience=3)
    other.load_state_dict(first.state_dict())
    assert other.best == math.inf


def test_an_unknown_figure_is_named():
    with pytest.raises(ValueError, match=r"Received: monitor='val_loss'. This run has: epoch, loss, seconds\."):
        replay([1.0], callbacks=[EarlyStopping("val_loss")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "down"}, "`mode` must be 'auto', 'min' or 'max'. Received: mode='down'."),
        ({"tol": -1.0}, "`tol` must be 0 or more. Received: tol=-1.0."),
        ({"tol": math.nan}, "`tol` must be 0 or more. Received: tol=nan."),
        ({"patience": -1}, "`patience` must be 0 or more. Received: patience=-1."),
    ],
)
def test_arguments(options, message):
    with pytest.raises(ValueError) as caught:
        EarlyStopping("loss", **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("figure", "mode"), [("loss", "min"), ("val_loss", "min"), ("val_accuracy", "max"), ("val_r2", "max")]
)
def test_the_mode_follows_from_the_name(figure, mode):
    assert EarlyStopping(figure).mode == mode
    assert EarlyStopping(figure, mode="max").mode == "max"
