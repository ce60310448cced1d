"""The proof: its arithmetic by hand, its cures on the estimator and on the rows, and the known case."""

import statistics

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from strata import MLPClassifier, TableClassifier
from strata.diagnosis.candidates import candidates, room_for
from strata.diagnosis.judging import judge
from strata.diagnosis.prove import Change, helps, lead, prove
from strata.diagnosis.thresholds import load_thresholds
from strata.diagnosis.treatment import Rows, network_path, treated_estimator, treated_rows

LIMITS = load_thresholds()


class Scripted(ClassifierMixin, BaseEstimator):
    """An estimator whose accuracy on ten rows is known: `right` of them, one fewer for every odd seed."""

    def __init__(self, right=5, wobble=0, penalty=0, random_state=0):
        self.right = right
        self.wobble = wobble
        self.penalty = penalty
        self.random_state = random_state

    def fit(self, X, y):
        if self.right < 0:
            raise ValueError("diverged")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        right = self.right - self.penalty - self.wobble * (self.random_state % 2)
        return np.where(np.arange(len(X)) < right, 1, 0)


def ten_rows():
    return Rows(np.zeros((10, 1)), np.arange(10) % 2, np.zeros((10, 1)), np.ones(10, dtype=int))


def test_scores_spread_and_gain_by_hand():
    changes = [Change("more", {"right": 9}), Change("noise", {"right": 6, "wobble": 4})]
    proof = prove(Scripted(5, wobble=2), ten_rows(), changes, metric="accuracy", n_seeds=4, random_state=0)
    assert proof.base.scores == (0.5, 0.3, 0.5, 0.3)
    assert proof.base.mean == pytest.approx(0.4)
    assert proof.base.spread == pytest.approx(statistics.stdev([0.5, 0.3, 0.5, 0.3]))
    more, noise = proof.trials
    assert more.scores == (0.9, 0.7, 0.9, 0.7)
    assert more.gain == pytest.approx(0.4)
    assert more.helps  # 0.4 is above hypot(0.115, 0.115) = 0.163
    assert noise.gain == pytest.approx(0.0)
    assert not noise.helps
    assert proof.together == ()
    assert proof.best is more
    assert "0.800 +- 0.115" in proof.to_text()
    assert proof.to_dict()["best"] == "more"


def test_a_gain_within_the_spread_or_too_small_proves_nothing():
    assert helps([0.5, 0.5, 0.5], [0.52, 0.52, 0.52], limits=LIMITS)
    assert not helps([0.5, 0.5, 0.5], [0.51, 0.51, 0.51], limits=LIMITS)
    assert not helps([0.5, 0.7], [0.6, 0.9], limits=LIMITS)
    assert not helps([0.9], [0.5], limits=LIMITS)
    assert helps([0.9], [0.5], limits=LIMITS, reveals=True)


def test_what_still_helps_is_added_to_the_leading_change_and_contradictions_are_not():
    changes = [Change("right 7", {"right": 7}), Change("right 8", {"right": 8}), Change("no penalty", {"penalty": 0})]
    proof = prove(Scripted(5, penalty=2), ten_rows(), changes, metric="accuracy", n_seeds=2)
    assert [trial.helps for trial in proof.trials] == [True, True, True]
    assert lead(proof.trials).change.label == "right 8"
    assert [dict(joint.change.changes) for joint in proof.together] == [{"right": 8, "penalty": 0}]
    assert proof.best.mean == pytest.approx(0.8)
    assert proof.best.change.label == "right 8 + no penalty"


def test_an_addition_that_does_nothing_is_shown_and_not_kept():
    changes = [Change("right 9", {"right": 9}), Change("noise", {"wobble": 0})]
    proof = prove(Scripted(5, wobble=3), ten_rows(), changes, metric="accuracy", n_seeds=2, random_state=1)
    assert [trial.helps for trial in proof.trials] == [True, False]
    changes = [Change("right 8", {"right": 8}), Change("right 8 too", {"right": 8, "wobble": 0})]
    proof = prove(Scripted(5), ten_rows(), changes, metric="accuracy", n_seeds=2)
    assert [(joint.helps, joint.change.label) for joint in proof.together] == [(False, "right 8 + right 8 too")]
    assert proof.best.change.label == "right 8"


def test_a_cure_goes_before_a_rival_that_is_as_good():
    changes = [Change("rival", {"right": 9}), Change("cure", {"right": 9, "penalty": 0}, verdicts=("underfits",))]
    assert prove(Scripted(5), ten_rows(), changes, metric="accuracy").best.change.label == "cure"


def test_a_cure_is_kept_beside_a_rival_that_leads_where_it_does_no_harm():
    rival = Change("rival", {"right": 20})  # every row, with the penalty or without
    for verdicts, best in ((("underfits",), "rival + cure"), ((), "rival")):
        cure = Change("cure", {"penalty": 0}, verdicts=verdicts)
        proof = prove(Scripted(5, penalty=2), ten_rows(), [cure, rival], metric="accuracy", n_seeds=2)
        assert lead(proof.trials).change.label == "rival" and proof.trials[0].helps
        assert proof.best.change.label == best and proof.best.mean == 1.0


def test_a_network_that_cannot_be_trained_counts_as_a_constant():
    rows = ten_rows()
    proof = prove(Scripted(-1), Rows(rows.X, np.zeros(10, int), rows.X_val, rows.y_val), [], metric="accuracy")
    assert proof.base.mean == 0.0


def test_a_closed_leak_lowers_the_score_and_is_no_cure_to_act_on():
    change = Change("closed", {"right": 2}, verdicts=("leakage_from_a_column",), reveals=True)
    proof = prove(Scripted(9), ten_rows(), [change], metric="accuracy")
    assert proof.trials[0].helps
    assert proof.best is None
    assert "was inflated: leakage_from_a_column" in proof.to_text()


def test_parameters_reach_the_network_wherever_it_is():
    plain = MLPClassifier((5,))
    assert treated_estimator(plain, {"alpha": 1.0, "nothing": 2}, {}).alpha == 1.0
    assert plain.alpha == 1e-4
    assert treated_estimator(plain, {}, {"standardize_inputs": True}).scale_inputs
    pipe = make_pipeline(StandardScaler(), MLPClassifier((5,)))
    assert network_path(pipe) == "mlpclassifier__"
    assert treated_estimator(pipe, {"alpha": 1.0}, {})[-1].alpha == 1.0
    table = TableClassifier(MLPClassifier((5,)), scale=False)
    cured = treated_estimator(table, {"alpha": 1.0}, {"standardize_inputs": True})
    assert cured.network.alpha == 1.0
    assert cured.scale is True
    assert treated_estimator(TableClassifier(), {"alpha": 1.0}, {}).network.alpha == 1.0
    other = treated_estimator(Scripted(), {"right": 3}, {"standardize_inputs": True})
    assert isinstance(other, Pipeline) and other[-1].right == 3
    with pytest.raises(ValueError, match="Did you mean 'drop_columns'"):
        treated_estimator(plain, {}, {"drop_column": ["a"]})


def test_columns_are_left_out_by_name_and_by_place():
    X = np.arange(12.0).reshape(4, 3)
    cured = treated_estimator(MLPClassifier((3,), max_iter=2), {}, {"drop_columns": ["x1"]}, X=X)
    assert cured[0].fit_transform(X).tolist() == X[:, [0, 2]].tolist()
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    named = treated_estimator(TableClassifier(), {}, {"drop_columns": ["b"]}, X=frame)
    assert list(named[0].fit_transform(frame).columns) == ["a", "c"]


def test_rows_are_mended():
    X = np.array([[0.0], [1.0], [np.nan], [3.0]])
    rows = Rows(X, np.array([0, 1, 2, 3]), np.array([[1.0], [9.0]]), np.array([1, 9]))
    clean = treated_rows(rows, {"drop_non_finite_rows": True})
    assert clean.y.tolist() == [0, 1, 3]
    assert treated_rows(rows, {"drop_duplicates": True}).y_val.tolist() == [9]
    back = treated_rows(rows, {"shift_targets": -1})
    assert back.X[:, 0].tolist()[0] == 1.0
    assert back.y.tolist() == [0, 1, 2]
    whole = np.arange(10, 16)
    kept, held_out = np.array([0, 1, 3, 5]), np.array([2, 4])
    divided = Rows(X, whole[kept], np.zeros((2, 1)), whole[held_out], (whole, kept, held_out))
    moved = treated_rows(divided, {"shift_targets": 1})
    assert moved.y.tolist() == [11, 12, 14]  # the next row of the table, not of the part
    assert moved.y_val.tolist() == [13, 15]


def test_candidates_are_cures_then_rivals_each_once(evidence_of, poor):
    evidence = evidence_of(output=poor, data={"input_means": (0.5, 0.5), "input_stds": (0.001, 0.001)})
    found = candidates(judge(evidence)[:1], evidence)
    labels = [change.label for change in found]
    assert labels[0] == "standardise inputs"
    assert labels.count("standardise inputs") == 1
    assert found[0].verdicts == ("inputs_not_scaled",)
    assert {"rate 0.01", "rate 0.0001", "patience 100", "units 80", "tanh units"} <= set(labels)
    assert room_for(evidence) == {"max_iter": 1000}
    assert room_for(evidence_of(curves={"stop_reason": "max_epochs"})) == {}
