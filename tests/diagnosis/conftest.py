"""Evidence made by hand: a healthy training, and what a test wants changed in it."""

import dataclasses

import pytest

from strata.diagnosis import recorder
from strata.diagnosis.evidence import (
    CurveEvidence,
    DataEvidence,
    Evidence,
    LayerEvidence,
    LayerSnapshot,
    OutputEvidence,
    SettingsEvidence,
    StartEvidence,
)

START = LayerSnapshot(
    step=0, epoch=0, z_mean=0.0, z_std=1.0, activation_mean=0.4, activation_std=0.6, unit_std=0.5, dead=0.0,
    saturated=0.02, symmetric=0.0, weight_rms=0.3, gradient_rms=0.01, delta_rms=0.1, update_ratio=None,
)  # fmt: skip


def layer(name="hidden 1", activation="relu", n_inputs=4, n_units=20, start=None, end=None):
    """Return a layer with a snapshot before training, one after an epoch and one at the end."""
    first = dataclasses.replace(START, **(start or {}))
    one = dataclasses.replace(first, step=3, epoch=1, update_ratio=0.01)
    last = dataclasses.replace(START, **({"step": 300, "epoch": 100, "update_ratio": 0.004} | (end or {})))
    return LayerEvidence(name, activation, n_inputs, n_units, (first, one, last))


def healthy():
    """Return the evidence of a classifier that does as well as its peers."""
    losses = tuple(0.15 + 0.55 * 0.95**epoch for epoch in range(100))
    return Evidence(
        settings=SettingsEvidence(
            task="classification", estimator="MLPClassifier", hidden_layer_sizes=(20,), n_parameters=121,
            loss="binary_cross_entropy", out_activation="logistic", solver="adam", learning_rate=0.001,
            batch_size=100, alpha=1e-4, l1=0.0, dropout=0.0, max_norm=None, init="auto", shuffle=True,
            early_stopping=False, scale_inputs=False, class_weight=None, parameters={"activation": "relu"},
        ),
        layers=(layer(), layer("output", "logistic", 20, 1)),
        curves=CurveEvidence(
            loss=losses, val_loss=tuple(each + 0.02 for each in losses), val_score=(0.8, 0.9, 0.95, 0.95),
            val_epochs=(1, 2, 50, 100), train_loss=losses, train_score=(0.8, 0.9, 0.95, 0.96),
            stop_reason="early_stopping", n_epochs=100, max_epochs=200, patience=10.0,
        ),
        start=StartEvidence(0.7, 0.69, 0.01, 0.7, 100, 30.0, 300.0),
        output=OutputEvidence(
            train_loss=0.15, val_loss=0.17, train_score=0.96, val_score=0.95, val_rows=400, baseline_score=0.55,
            linear_score=0.85, neighbours_score=0.95, trees_score=0.96, predicted_shares=(0.54, 0.46),
            true_shares=(0.55, 0.45), class_recalls=(0.95, 0.95), spread_ratio=0.9, mean_confidence=0.9,
        ),
        data=DataEvidence(
            n_rows=1200, n_features=4, n_classes=2, class_counts=(660, 540), input_means=(0.0, 0.1, -0.1, 0.05),
            input_stds=(1.0, 0.9, 1.1, 1.0), target_mean=None, target_std=None, constant_columns=(),
            leaking_columns=(), duplicates_across=0, conflicting_duplicates=0, label_signal=30.0,
            shifted_signal=((-2, 0.5), (-1, 0.1), (1, -0.3), (2, 0.8)), order=0.01, non_finite_inputs=0,
        ),
    )  # fmt: skip


def altered(**parts):
    """Return healthy evidence with fields of its parts replaced: settings={...}, output={...}, layers=(...)."""
    base = healthy()
    given = {}
    for name, value in parts.items():
        before = getattr(base, name)
        if isinstance(value, dict) and before is not None:
            value = dataclasses.replace(before, **value)
        given[name] = value
    return dataclasses.replace(base, **given)


@pytest.fixture
def evidence_of():
    """Hand out :func:`altered`."""
    return altered


@pytest.fixture
def layer_of():
    """Hand out :func:`layer`."""
    return layer


@pytest.fixture
def poor():
    """What a network's output is when it has learned nothing that its peers know."""
    return {
        "train_score": 0.55, "val_score": 0.55, "train_loss": 0.69, "val_loss": 0.69,
        "predicted_shares": (1.0, 0.0), "class_recalls": (1.0, 0.0),
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """Let a recorder take its copies however slow the machine is."""
    monkeypatch.setattr(recorder, "_FREE", 60.0)
