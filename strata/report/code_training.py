"""A training without a target from its plan to the folder of the run."""

from __future__ import annotations

import csv
import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from strata._files import atomic_write
from strata.engine import noting_preparation
from strata.estimators import Autoencoder, TableAutoencoder
from strata.estimators.persistence import save_model
from strata.report.code_document import build_code_document
from strata.report.code_planning import CodePlan
from strata.report.code_scoring import CodeScore, score_codes
from strata.report.executing import Steps, Wishes, carry_out
from strata.report.parts import Parts
from strata.report.run_folder import RunFolder
from strata.report.writing import write_report

__all__ = ["CodeResult", "build_code_estimator", "encoded", "fit_code_plan"]

SCHEMA = "strata.train/1"
#: Numbers of the training rows from which the components are taken of a part of the rows.
MAX_CELLS = 50_000_000


@dataclass
class CodeResult:
    """What came out of a training without a target.

    Parameters
    ----------
    plan : CodePlan
        What was done.
    estimator : Autoencoder or TableAutoencoder
        The fitted model.
    evaluation : CodeScore
        How well it gives held-out rows back.
    baselines : list of CodeScore
        What simpler methods reached with codes of the same size.
    seconds : float
        Time to fit.
    folder : Path or None
        The run folder.
    seeds : dict or None
        Not made.
    learning_curve : dict or None
        Not made.
    parts : Parts
        Which parts of the report were made, and why the others were not.
    watched : bool
        Not used.
    """

    plan: CodePlan
    estimator: Any
    evaluation: CodeScore
    baselines: list[CodeScore] = field(default_factory=list)
    seconds: float = 0.0
    folder: Path | None = None
    seeds: dict[str, Any] | None = None
    learning_curve: dict[str, Any] | None = None
    parts: Parts = field(default_factory=Parts, repr=False)
    watched: bool = False

    def __repr__(self) -> str:
        """Return the result in one line."""
        figures = ", ".join(f"{name}={value:.4g}" for name, value in self.evaluation.metrics.items())
        folder = None if self.folder is None else str(self.folder)
        return f"CodeResult({type(self.estimator).__name__}: {figures}; folder={folder!r})"

    @property
    def network(self) -> Autoencoder:
        """The autoencoder itself, inside that of a table."""
        found: Autoencoder = getattr(self.estimator, "network_", self.estimator)
        return found if isinstance(found, Autoencoder) else self.estimator

    @property
    def loss(self) -> float | None:
        """Training objective of the last epoch."""
        value = getattr(self.network, "loss_", None)
        return None if value is None else float(value)

    @property
    def n_epochs(self) -> int:
        """Epochs trained."""
        return int(self.network.n_iter_)

    @property
    def stop_reason(self) -> str:
        """Why training ended."""
        return str(self.network.stop_reason_)

    @property
    def temperature(self) -> None:
        """Codes have no probabilities."""
        return

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the model and the rows, ready for JSON."""
        return {
            "schema": SCHEMA,
            **self.plan.to_dict(),
            "result": {
                **self.evaluation.to_dict(),
                "n_components": int(self.network.n_components_),
                "loss": self.loss,
                "n_epochs": self.n_epochs,
                "stop_reason": self.stop_reason,
                "seconds": round(self.seconds, 4),
            },
            "baselines": [each.to_dict() for each in self.baselines],
            "audit": self.plan.audit.to_dict(),
            "folder": None if self.folder is None else str(self.folder).encode("utf-8", "backslashreplace").decode(),
        }


def fit_code_plan(plan: CodePlan, wishes: Wishes) -> CodeResult:
    """Do what was planned.

    Parameters
    ----------
    plan : CodePlan
        As :func:`strata.report.code_planning.plan_code_training` gives it.
    wishes : Wishes
        Where to write, how to compute, what else to make.

    Returns
    -------
    result : CodeResult
        What came out.

    Raises
    ------
    ValueError
        If a wish is for trainings with a target.
    """
    for name, idle in (("seeds", 1), ("learning_curve", False)):
        if getattr(wishes, name) != idle:
            raise ValueError(f"`{name}` must be left out for codes. Received: {name}={getattr(wishes, name)!r}.")
    write = partial(write_report, build=build_code_document, draw=False)
    result: Any = carry_out(plan, wishes, Steps(_fit, _keep, _compare, write))  # type: ignore[arg-type]
    return result  # type: ignore[no-any-return]


def build_code_estimator(plan: CodePlan, settings: Mapping[str, Any]) -> Any:
    """Return the unfitted estimator of a plan.

    Parameters
    ----------
    plan : CodePlan
        The network and its parameters.
    settings : mapping of str to object
        Seed, device, folders and the like.

    Returns
    -------
    estimator : Autoencoder or TableAutoencoder
        Not fitted.
    """
    chosen = {name: value for name, value in settings.items() if value is not None}
    network = Autoencoder(**(chosen | plan.recipe.parameters))
    return network if plan.problem.is_pictures else TableAutoencoder(network, scale=plan.recipe.scale)


def _fit(plan: CodePlan, settings: Mapping[str, Any], say: Callable[[str], None] | None) -> CodeResult:
    """Train and score; no baselines yet."""
    estimator = build_code_estimator(plan, settings)
    start = clock.perf_counter()
    with noting_preparation(say) as preparation:
        estimator.fit(plan.train_rows)
    seconds = clock.perf_counter() - start - preparation.seconds
    network: Any = estimator.network_ if isinstance(estimator, TableAutoencoder) else estimator
    plan.n_parameters = sum(int(parameter.numel()) for parameter in network.network_.parameters())
    train, test = encoded(estimator, plan.train_rows), encoded(estimator, plan.test_rows)
    made = network.reconstruct(test).reshape(len(test), -1)
    score = score_codes("autoencoder", test, made, train.mean(axis=0), seconds=seconds)
    return CodeResult(plan, estimator, score, seconds=seconds)


def encoded(estimator: Any, X: Any) -> np.ndarray:
    """Return rows as the autoencoder gives them back, one a row: encoded columns, or pixels from 0 to 1.

    Parameters
    ----------
    estimator : Autoencoder or TableAutoencoder
        Fitted.
    X : DataFrame or ndarray
        Rows or pictures.

    Returns
    -------
    rows : ndarray of shape (n, n_numbers)
        Floats.
    """
    if isinstance(estimator, TableAutoencoder):
        return np.asarray(estimator._encoded(X))
    pixels = np.asarray(X).reshape(len(X), -1)
    return pixels.astype(np.float32) / np.float32(255) if pixels.dtype == np.uint8 else pixels


def _keep(result: CodeResult, folder: RunFolder) -> None:
    """Write the model and the codes of the tested rows."""
    result.network.history_.to_csv(folder.path / "history.csv")
    save_model(result.estimator, folder.path / "model", force=True, data_hash=result.plan.problem.digest)
    codes = result.estimator.transform(result.plan.test_rows)
    scores = result.estimator.score_samples(result.plan.test_rows)
    rows = np.arange(len(codes)) if result.plan.test is None else result.plan.test
    with atomic_write(folder.path / "codes.csv", mode="w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "error", *(f"code_{number}" for number in range(codes.shape[1]))])
        for row, score, code in zip(rows.tolist(), scores.tolist(), codes.tolist(), strict=True):
            writer.writerow([row, -score, *code])


def _compare(result: CodeResult, settings: Mapping[str, Any], wishes: Wishes) -> None:
    """Fit what the network is compared with: principal components of the same number, and the mean."""
    parts = result.parts
    if wishes.baselines:
        found = parts.add("baselines", partial(_baselines, result), saying="fitting the principal components")
        result.baselines = found or []
        parts.content.pop("baselines", None)
    else:
        parts.skip("baselines", "they were left out by baselines=False (--no-baselines)")
    parts.skip("seeds", "codes of different seeds are not compared")
    parts.skip("learning_curve", "it is made for targets")


def _baselines(result: CodeResult) -> list[CodeScore]:
    plan = result.plan
    train, test = encoded(result.estimator, plan.train_rows), encoded(result.estimator, plan.test_rows)
    mean = train.mean(axis=0)
    size = min(int(result.network.n_components_), *train.shape)
    begun = clock.perf_counter()
    used = train[: max(size, MAX_CELLS // train.shape[1])]
    pca = PCA(size, random_state=plan.seed).fit(used)
    made = pca.inverse_transform(pca.transform(test))
    note = "" if len(used) == len(train) else f"of {len(used):,} rows"
    components = score_codes(
        f"{size} principal components", test, made, mean, seconds=clock.perf_counter() - begun, note=note
    )
    flat = np.broadcast_to(mean, test.shape)
    return [components, score_codes("mean of the training rows", test, flat, mean, seconds=0.0)]
