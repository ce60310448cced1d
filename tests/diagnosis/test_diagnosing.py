"""The question from end to end: the known case with its proof, the cured estimator, and what is refused."""

import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier as ScikitLearnMLP

import strata
from strata.diagnosis import Diagnosis, from_evidence, judge
from strata.diagnosis.diagnosing import proven_first
from strata.diagnosis.prove import Change, Proof, Trial

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def parabola(seed, n_rows):
    """Return the points of scikit-learn's issue 31235: uniform in the unit square, a parabola between the classes."""
    X = np.random.RandomState(seed).random_sample((n_rows, 2))
    return X, (X[:, 0] + (2 * (X[:, 1] - 0.5)) ** 2 - 0.75 >= 0).astype(int)


@pytest.fixture(scope="module")
def known_case():
    X, y = parabola(1, 500)
    X_val, y_val = parabola(2, 500)
    network = ScikitLearnMLP((20, 20), activation="logistic", random_state=42)
    return network, X, y, strata.diagnose(network, X, y, X_val=X_val, y_val=y_val, prove=True, n_seeds=2)


def test_the_known_case_is_named_without_being_told(known_case):
    network, X, y, diagnosis = known_case
    assert diagnosis.verdicts[0].name == "inputs_not_scaled"
    assert diagnosis.verdicts[0].proven is True
    assert diagnosis.evidence.curves.stop_reason == "early_stopping"
    assert diagnosis.evidence.curves.n_epochs < 30
    symptoms = {each.name for each in (*diagnosis.verdicts[1:], *diagnosis.others)}
    assert "predicts_the_prior" in symptoms


def test_the_known_case_is_proven(known_case):
    _, _, _, diagnosis = known_case
    proof = diagnosis.proof
    trials = {trial.change.label: trial for trial in proof.trials}
    cure = trials["standardise inputs"]
    assert proof.base.mean < 0.7 and cure.mean > 0.95
    assert proof.best is cure
    assert cure.mean > trials["patience 100"].mean + 0.1
    assert cure.mean > trials["rate 0.01"].mean + 0.05
    text = str(diagnosis)
    assert "standardise inputs" in text and "proven" in text


def test_the_cured_estimator_learns_fresh_points(known_case):
    network, X, y, diagnosis = known_case
    fresh, truth = parabola(99, 1000)
    cured = diagnosis.fix(strata.MLPClassifier(**network.get_params())).fit(X, y)
    assert cured.score(fresh, truth) > 0.97
    before = strata.MLPClassifier(**network.get_params()).fit(X, y)
    assert before.score(fresh, truth) < 0.7
    assert not hasattr(network, "coefs_")


def test_a_diagnosis_is_plain_json(known_case):
    described = json.loads(json.dumps(known_case[3].to_dict()))
    assert described["schema"] == "strata.diagnosis/1"
    assert described["verdicts"][0]["name"] == "inputs_not_scaled"
    assert described["proof"]["best"] == "standardise inputs"
    assert described["evidence"]["settings"]["hidden_layer_sizes"] == [20, 20]


def test_a_network_that_learns_is_healthy():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 3))
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    diagnosis = strata.diagnose(strata.MLPClassifier((20,), random_state=0), X, y)
    assert diagnosis.healthy, str(diagnosis)
    assert diagnosis.changes == {} and diagnosis.proof is None
    assert "Healthy" in str(diagnosis)


def test_a_module_is_diagnosed():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    X = torch.randn(256, 3)
    y = (X[:, :1] * X[:, 1:2] > 0).float()
    batches = [(X[place : place + 32], y[place : place + 32]) for place in range(0, 256, 32)]
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-7)
    loss = torch.nn.BCEWithLogitsLoss()
    diagnosis = strata.diagnose(module, loss=loss, optimizer=optimizer, loader=batches, val_loader=batches, epochs=5)
    assert isinstance(diagnosis, Diagnosis)
    assert "learning_rate_too_low" in [verdict.name for verdict in diagnosis.verdicts]


def test_arguments_are_checked():
    X, y = parabola(0, 40)
    network = strata.MLPClassifier((3,), max_iter=2)
    with pytest.raises(ValueError, match="`X` and `y` must be given with an estimator. Received: y=None"):
        strata.diagnose(network, X)
    with pytest.raises(ValueError, match="`X_val` and `y_val` must be given together. Received: y_val=None"):
        strata.diagnose(network, X, y, X_val=X)
    with pytest.raises(ValueError, match="`n_seeds` must be an integer of 1 or more. Received: n_seeds=0"):
        strata.diagnose(network, X, y, n_seeds=0)
    with pytest.raises(ValueError, match="`X` must have at least 8 rows"):
        strata.diagnose(network, X[:5], y[:5])
    with pytest.raises(ValueError, match="`loss` goes with a module"):
        strata.diagnose(network, X, y, loss="mse")
    with pytest.raises(TypeError, match="`estimator` must be an estimator .* Received: str"):
        strata.diagnose("network", X, y)
    with pytest.raises(ValueError, match="`loader` must be given with a module. Received: loader=None"):
        strata.diagnose(torch.nn.Linear(2, 1), loss=torch.nn.MSELoss(), optimizer=object())
    with pytest.raises(ValueError, match="`prove` must be False for a module"):
        strata.diagnose(torch.nn.Linear(2, 1), prove=True)
    with pytest.raises((TypeError, ValueError), match="LogisticRegression"):
        strata.diagnose(LogisticRegression(), X, y)


def test_proven_verdicts_go_first_and_refuted_ones_last(evidence_of, poor):
    evidence = evidence_of(output=poor, settings={"learning_rate": 1e-6, "hidden_layer_sizes": (1,)})
    verdicts = judge(evidence)
    names = [verdict.name for verdict in verdicts]
    assert names[0] == "learning_rate_too_low" and "underfits" in names

    def trial(name, *, helps):
        return Trial(Change(name, {"x": 1}, verdicts=(name,)), (0.5,), 0.0, helps)

    base = Trial(Change("as it is"), (0.5,), 0.0, False)
    trials = (trial("learning_rate_too_low", helps=False), trial("underfits", helps=True))
    ordered = proven_first(verdicts, Proof("accuracy", base, trials, (), 10, 0.0))
    assert ordered[0].name == "underfits" and ordered[0].proven is True
    assert ordered[-1].name == "learning_rate_too_low" and ordered[-1].proven is False
    assert {verdict.proven for verdict in ordered[1:-1]} <= {None}


def test_a_rival_that_helps_where_nobody_suspected_it_is_a_verdict(evidence_of):
    base = Trial(Change("as it is"), (0.5, 0.5), 0.0, False)
    rival = Trial(
        Change("rate 0.01", {"learning_rate_init": 0.01}, implies="learning_rate_too_low"), (0.9, 0.9), 0.4, True
    )
    ordered = proven_first(judge(evidence_of()), Proof("accuracy", base, (rival,), (), 10, 0.0))
    assert [verdict.name for verdict in ordered] == ["learning_rate_too_low"]
    assert ordered[0].proven is True and ordered[0].changes == {"learning_rate_init": 0.01}
    slight = Trial(rival.change, (0.52, 0.52), 0.02, True)
    ordered = proven_first(judge(evidence_of()), Proof("accuracy", base, (slight,), (), 10, 0.0))
    assert [verdict.name for verdict in ordered] == ["healthy"]


def test_what_was_seen_can_be_judged_again(evidence_of):
    assert from_evidence(evidence_of()).healthy
