"""Each judge fires on its fault and is silent on near misses; causes stand before symptoms."""

import dataclasses
import math

import pytest

from strata.diagnosis import CATALOGUE, judge, load_thresholds
from strata.diagnosis.evidence import NonFiniteEvidence
from strata.diagnosis.judging import EXPLAINS, JUDGES, primary

LIMITS = load_thresholds()


def names(evidence):
    return [verdict.name for verdict in judge(evidence)]


def test_a_healthy_training_is_healthy(evidence_of):
    verdicts = judge(evidence_of())
    assert [verdict.name for verdict in verdicts] == ["healthy"]
    assert verdicts[0].confidence > 0.9
    assert "0.95" in verdicts[0].sentence


def test_every_name_has_an_entry_and_a_judge():
    assert set(JUDGES) | {"healthy"} == set(CATALOGUE)
    assert len(CATALOGUE) == 30
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert all((entry.title, entry.meaning, entry.cause, entry.cure))


def test_no_fault_explains_itself_over_others():
    def reach(name, seen):
        for other in EXPLAINS.get(name, ()):
            assert other in CATALOGUE
            assert other not in seen, f"{other} explains itself by way of {seen}"
            reach(other, (*seen, other))

    for name in EXPLAINS:
        assert name in CATALOGUE
        reach(name, (name,))


LOSS_UP = tuple(0.7 * 1.03**epoch for epoch in range(100))
BOUNCING = tuple(0.6 + 0.15 * (-1) ** epoch for epoch in range(100))

#: Verdict -> (what is changed in the healthy evidence, the part that is taken back for the near miss).
FAULTS = {
    "inputs_not_scaled": ({"data": {"input_stds": (1.0, 300.0, 0.01, 2.0)}}, {"data": {}}),
    "learning_rate_too_high": (
        {"settings": {"learning_rate": 0.3}, "curves": {"loss": BOUNCING}},
        {"settings": {"learning_rate": 0.001}},
    ),
    "learning_rate_too_low": ({"settings": {"learning_rate": 1e-6}}, {"settings": {"learning_rate": 1e-3}}),
    "diverging": ({"curves": {"loss": LOSS_UP}}, {"curves": {}}),
    "class_imbalance": (
        {"data": {"class_counts": (1150, 50)}, "output": {"class_recalls": (1.0, 0.05)}},
        {"output": {"class_recalls": (0.99, 0.8)}},
    ),
    "labels_constant": ({"data": {"class_counts": (1199, 1)}}, {"data": {"class_counts": (900, 300)}}),
    "labels_shifted": (
        {"data": {"label_signal": 0.2, "shifted_signal": ((-1, 0.1), (1, 20.0))}},
        {"data": {"label_signal": 20.0, "shifted_signal": ((-1, 0.1), (1, 20.0))}},
    ),
    "leakage_between_splits": ({"data": {"duplicates_across": 120}}, {"data": {"duplicates_across": 3}}),
    "leakage_from_a_column": (
        {"data": {"leaking_columns": (("id", 0.999),)}},
        {"data": {"leaking_columns": (("id", 0.9),)}},
    ),
    "bad_data_order": (
        {"data": {"order": 0.99}, "settings": {"shuffle": False}},
        {"data": {"order": 0.99}, "settings": {"shuffle": True}},
    ),
    "regularization_too_strong": ({"settings": {"alpha": 100.0}}, {"settings": {"alpha": 0.01}}),
    "dropout_too_strong": ({"settings": {"dropout": 0.9}}, {"settings": {"dropout": 0.2}}),
    "underfits": ({"settings": {"hidden_layer_sizes": (1,)}}, {"settings": {"hidden_layer_sizes": (50,)}}),
    "too_few_epochs": (
        {"curves": {"stop_reason": "max_epochs", "n_epochs": 4, "loss": (0.7, 0.65, 0.6, 0.55)}},
        {"curves": {}},
    ),
    "stopped_too_early": (
        {"curves": {"n_epochs": 6, "patience": 2.0, "loss": (0.7, 0.69, 0.69, 0.68, 0.68, 0.68)}},
        {"curves": {"stop_reason": "max_epochs"}},
    ),
    "batch_too_large": (
        {"settings": {"batch_size": 1200}, "curves": {"n_epochs": 100}},
        {"settings": {"batch_size": 32}},
    ),
    "batch_too_small": ({"settings": {"batch_size": 1}}, {"settings": {"batch_size": 32}}),
    "wrong_loss": ({"settings": {"loss": "squared_error"}}, {"settings": {}}),
    "wrong_output_unit": ({"settings": {"out_activation": "relu"}}, {"settings": {}}),
    "predicts_the_prior": ({}, {"output": {"predicted_shares": (0.6, 0.4), "val_score": 0.7, "train_score": 0.7}}),
}
#: Faults that are seen without any loss of score.
HARMLESS = ("leakage_between_splits", "leakage_from_a_column", "class_imbalance", "labels_constant", "labels_shifted")


@pytest.mark.parametrize("name", FAULTS)
def test_the_judge_names_its_fault_first_or_second(name, evidence_of, poor):
    changed, _ = FAULTS[name]
    if name not in HARMLESS:
        changed = changed | {"output": poor | changed.get("output", {})}
    verdicts = judge(evidence_of(**changed))
    assert name in [verdict.name for verdict in verdicts[:2]], [str(verdict) for verdict in verdicts]
    found = next(verdict for verdict in verdicts if verdict.name == name)
    assert found.confidence >= LIMITS.number("general.min_confidence")
    assert (
        found.evidence and found.sentence.endswith(".") and found.sentence[0].isupper() or found.sentence[0].isdigit()
    )
    assert all(not isinstance(v, float) or math.isfinite(v) for v in found.evidence.values())


@pytest.mark.parametrize("name", FAULTS)
def test_the_judge_is_silent_on_a_near_miss(name, evidence_of, poor):
    changed, mended = FAULTS[name]
    if name not in HARMLESS:
        changed = changed | {"output": poor | changed.get("output", {})}
    assert name in names(evidence_of(**changed))
    assert name not in names(evidence_of(**({**changed, **mended})))


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in HARMLESS])
def test_what_does_no_harm_is_no_fault(name, evidence_of):
    changed, _ = FAULTS[name]
    if name in ("diverging", "learning_rate_too_high", "wrong_output_unit", "wrong_loss", "bad_data_order"):
        return
    assert name not in names(evidence_of(**changed))


def test_layers_tell_of_their_faults(evidence_of, layer_of, poor):
    output = layer_of("output", "logistic", 20, 1)
    dead = (layer_of(end={"dead": 0.95}), output)
    assert "dead_relus" in names(evidence_of(layers=dead, output=poor))[:2]
    assert "dead_relus" not in names(evidence_of(layers=dead))
    assert "dead_relus" not in names(evidence_of(layers=(layer_of(end={"dead": 0.3}), output), output=poor))
    saturated = (layer_of(activation="tanh", start={"saturated": 0.9}, end={"saturated": 0.95}), output)
    assert "saturated_sigmoids" in names(evidence_of(layers=saturated, output=poor))[:2]
    relu = (layer_of(activation="relu", start={"saturated": 0.9}, end={"saturated": 0.95}), output)
    assert "saturated_sigmoids" not in names(evidence_of(layers=relu, output=poor))
    equal = (layer_of(start={"symmetric": 1.0}, end={"symmetric": 1.0}), output)
    assert names(evidence_of(layers=equal, output=poor))[0] == "symmetric_initialization"
    deep = [layer_of(f"hidden {place}", "logistic") for place in range(1, 7)]
    deep[0] = layer_of("hidden 1", "logistic", start={"gradient_rms": 1e-7})
    assert "vanishing_gradient" in names(evidence_of(layers=(*deep, output), output=poor))[:2]
    assert "vanishing_gradient" not in names(evidence_of(layers=(deep[0], deep[1], output), output=poor))
    wild = (layer_of(), layer_of("hidden 2", start={"z_std": 1e4}), output)
    assert "exploding_gradient" in names(evidence_of(layers=wild, output=poor))[:2]


def test_overfitting_needs_harm(evidence_of):
    rising = (0.6, 0.4, 0.3, 0.9, 1.5, 2.5)
    gap = {"train_score": 1.0, "val_score": 0.75}
    assert names(evidence_of(output=gap, curves={"val_loss": rising, "val_score": (0.9,)}))[0] == "overfits"
    as_good = {"train_score": 1.0, "val_score": 0.95}
    assert names(evidence_of(output=as_good, curves={"val_loss": rising, "val_score": (0.95,)})) == ["healthy"]


def test_irreducible_noise_is_healthy(evidence_of):
    noisy = {
        "train_score": 0.74, "val_score": 0.71, "linear_score": 0.72, "neighbours_score": 0.66, "trees_score": 0.70,
        "class_recalls": (0.75, 0.66), "train_loss": 0.55, "val_loss": 0.58,
    }  # fmt: skip
    assert names(evidence_of(output=noisy)) == ["healthy"]


def test_few_rows_for_many_columns(evidence_of):
    gap = {"train_score": 1.0, "val_score": 0.6, "linear_score": 0.6, "neighbours_score": 0.58, "trees_score": 0.6}
    assert names(evidence_of(output=gap, data={"n_rows": 40, "n_features": 200}))[0] == "too_little_data"
    good = {"train_score": 1.0, "val_score": 0.97}
    assert names(evidence_of(output=good, data={"n_rows": 40, "n_features": 200})) == ["healthy"]


def test_shuffled_labels(evidence_of):
    blind = {
        "train_score": 0.8, "val_score": 0.51, "linear_score": 0.53, "neighbours_score": 0.5, "trees_score": 0.52,
    }  # fmt: skip
    assert names(evidence_of(output=blind, data={"label_signal": 0.4}))[0] == "labels_shuffled"
    assert "labels_shuffled" not in names(evidence_of(output=blind, data={"label_signal": 0.4, "n_rows": 30}))
    assert "labels_shuffled" not in names(evidence_of(data={"label_signal": 0.4}))  # the network scores 0.95


def test_numbers_that_are_not_finite(evidence_of):
    given = evidence_of(
        data={"non_finite_inputs": 3}, output=None, non_finite=NonFiniteEvidence(0, 0, "inputs", math.nan)
    )
    assert names(given)[0] == "non_finite_values"
    assert "diverging" not in names(given)
    at_once = evidence_of(
        output=None, curves={"loss": (math.nan,)}, non_finite=NonFiniteEvidence(1, 1, "loss", math.nan)
    )
    assert names(at_once)[0] == "non_finite_values"  # the first loss comes before any step
    assert "diverging" not in names(at_once)
    arisen = evidence_of(
        output=None,
        curves={"loss": (0.7, 50.0, math.inf), "stop_reason": "diverged"},
        settings={"learning_rate": 1.0},
        non_finite=NonFiniteEvidence(2, 9, "weights of hidden 1", math.inf),
    )
    found = names(arisen)
    assert found.index("learning_rate_too_high") < found.index("non_finite_values")
    assert "diverging" in found


def test_causes_stand_before_symptoms(evidence_of, poor):
    evidence = evidence_of(
        output=poor,
        data={"input_means": (0.5, 0.5), "input_stds": (0.29, 0.29)},
        settings={"hidden_layer_sizes": (20, 20), "out_activation": "logistic"},
        curves={"n_epochs": 15, "loss": (0.69,) * 15},
    )
    verdicts = judge(evidence)
    assert verdicts[0].name == "inputs_not_scaled"
    symptom = next(verdict for verdict in verdicts if verdict.name == "predicts_the_prior")
    assert "inputs_not_scaled" in symptom.explained_by
    assert symptom.explained_loss < 0.5 * verdicts[0].explained_loss


def test_at_most_three_are_primary(evidence_of, poor):
    evidence = evidence_of(
        output=poor,
        settings={"dropout": 0.9, "alpha": 100.0, "learning_rate": 1e-6, "loss": "mse", "hidden_layer_sizes": (1,)},
        data={"leaking_columns": (("id", 0.999),)},
    )
    verdicts = judge(evidence)
    assert len(verdicts) > 3
    assert len(primary(verdicts)) == 3
    assert primary(verdicts) == verdicts[:3]


def test_without_peers_the_prior_is_the_measure(evidence_of, poor):
    alone = poor | {"linear_score": None, "neighbours_score": None, "trees_score": None}
    assert "learning_rate_too_low" in names(evidence_of(output=alone, settings={"learning_rate": 1e-6}))
    assert names(evidence_of(output={"linear_score": None, "neighbours_score": None, "trees_score": None})) == [
        "healthy"
    ]


def test_nothing_known_is_nothing_said(evidence_of):
    bare = dataclasses.replace(evidence_of(), layers=(), start=None, output=None, data=None)
    assert names(bare) == ["healthy"]


def test_verdicts_are_plain_values(evidence_of, poor):
    for verdict in judge(evidence_of(output=poor, settings={"learning_rate": 1e-6})):
        described = verdict.to_dict()
        assert described["name"] == verdict.name
        assert verdict.title in str(verdict)
        assert set(described) >= {"sentence", "evidence", "cause", "cure", "confidence", "changes", "proven"}


@pytest.mark.parametrize(
    ("loss", "unit", "expected"),
    [
        ("CrossEntropyLoss", "softmax", "wrong_output_unit"),
        ("cross_entropy", "relu", "wrong_output_unit"),
        ("BCEWithLogitsLoss", "sigmoid", "wrong_output_unit"),
        ("NLLLoss", "identity", "wrong_loss"),
        ("MSELoss", "softmax", "wrong_loss"),
        ("CrossEntropyLoss", "identity", None),
        ("NLLLoss", "log_softmax", None),
        ("BCELoss", "sigmoid", None),
        ("LogOfProbability", "identity", None),
    ],
)
def test_the_last_unit_of_a_module_must_fit_its_loss(loss, unit, expected, evidence_of, poor):
    own = {"estimator": "Sequential", "loss": loss, "out_activation": unit}
    found = names(evidence_of(settings=own, output=poor))
    if expected is None:
        assert not {"wrong_loss", "wrong_output_unit"} & set(found)
    else:
        assert found[0] == expected


def test_one_batch_tells_too_few_units_from_a_stop_on_a_plateau(evidence_of, poor):
    stopped = {"stop_reason": "early_stopping", "n_epochs": 12, "loss": (0.7,) * 12}
    small = {"hidden_layer_sizes": (1,)}
    stuck = {"one_batch_start": 0.7, "one_batch_loss": 0.6}
    found = names(evidence_of(output=poor, curves=stopped, settings=small, start=stuck))
    assert "underfits" in found and "stopped_too_early" not in found
    able = {"one_batch_start": 0.7, "one_batch_loss": 0.005}
    assert "stopped_too_early" in names(evidence_of(output=poor, curves=stopped, settings=small, start=able))
    wide = {"hidden_layer_sizes": (50,)}
    assert "stopped_too_early" in names(evidence_of(output=poor, curves=stopped, settings=wide, start=stuck))


@pytest.mark.parametrize(("dropout", "last", "named"), [(0.95, 0.45, True), (0.95, 0.1, False), (0.5, 0.45, False)])
def test_heavy_dropout_that_leaves_the_loss_where_it_was_is_named_without_a_loss_of_score(
    evidence_of, dropout, last, named
):
    losses = tuple(0.7 - (0.7 - last) * epoch / 99 for epoch in range(100))
    found = names(evidence_of(settings={"dropout": dropout}, curves={"loss": losses}))
    assert ("dropout_too_strong" in found) is named


@pytest.mark.parametrize(("size", "named"), [(1000.0, True), (1.0, False)])
def test_targets_beyond_the_reach_of_all_updates_are_named(evidence_of, poor, size, named):
    evidence = evidence_of(
        output=poor, settings={"task": "regression", "loss": "squared_error", "out_activation": "identity"},
        data={"target_mean": 0.0, "target_std": size, "n_classes": None, "class_counts": ()},
    )  # fmt: skip
    verdict = next((each for each in judge(evidence) if each.name == "learning_rate_too_low"), None)
    assert (verdict is not None) is named
    if verdict is not None:  # 0.001 times 100 epochs of 12 batches
        assert verdict.evidence["targets_over_reach"] == pytest.approx(1000 / 1.2, rel=1e-6)
        assert "Standardise the targets" in verdict.cure and verdict.changes == {"learning_rate_init": 0.1}


def test_a_tolerance_above_the_loss_is_part_of_the_cure(evidence_of, poor):
    stopped = {"stop_reason": "early_stopping", "n_epochs": 6, "patience": 2.0, "loss": (7e-9,) * 6}
    start = {"loss": 8e-9, "prior_loss": 7e-9}
    evidence = evidence_of(output=poor, curves=stopped, start=start, settings={"parameters": {"tol": 1e-4}})
    verdict = next(each for each in judge(evidence) if each.name == "stopped_too_early")
    assert verdict.changes["tol"] == 0.0 and "the tolerance 0.0001 is 1.43e+04 of the prior loss" in verdict.sentence


@pytest.mark.parametrize(("rate", "first", "named"), [(0.5, 30.0, True), (0.5, 0.6, False), (0.001, 30.0, False)])
def test_an_extreme_rate_whose_first_epoch_leaps_is_named_without_a_loss_of_score(evidence_of, rate, first, named):
    losses = (first, *(0.15 + 0.4 * 0.9**epoch for epoch in range(99)))
    found = names(evidence_of(settings={"learning_rate": rate}, curves={"loss": losses}))
    assert ("learning_rate_too_high" in found) is named


def test_a_training_that_broke_at_once_did_not_have_too_low_a_rate(evidence_of):
    evidence = evidence_of(
        output=None, settings={"task": "regression"}, curves={"loss": (math.nan,), "n_epochs": 1},
        data={"target_mean": 0.0, "target_std": 1000.0}, non_finite=NonFiniteEvidence(1, 1, "loss", math.nan),
    )  # fmt: skip
    assert "learning_rate_too_low" not in names(evidence) and "non_finite_values" in names(evidence)
