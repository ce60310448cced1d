"""One call from data to a trained network, its figures beside its baselines, and a folder with all of it."""

import time as clock
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from strata.engine import noting_preparation
from strata.report.baselines import Baseline, fit_baselines
from strata.report.building import build_estimator, network_of
from strata.report.evaluation import Evaluation
from strata.report.executing import Steps, Wishes, carry_out
from strata.report.parts import Parts
from strata.report.planning import Plan, encode_inputs
from strata.report.repeats import learning_curve as learning_curve_of
from strata.report.repeats import seed_spread
from strata.report.run_folder import RunFolder
from strata.report.scoring import score_model
from strata.report.watching import recorder_for
from strata.report.writing import keep_model, write_report

__all__ = ["TrainResult", "fit_plan"]

SCHEMA = "strata.train/1"


@dataclass
class TrainResult:
    """What came out of a training.

    Parameters
    ----------
    plan : Plan
        What was done.
    estimator : estimator
        The fitted model.
    evaluation : Evaluation
        Its figures on the test rows.
    baselines : list of Baseline
        What simpler methods reached on the same rows.
    seconds : float
        Time to fit.
    folder : Path or None
        The run folder.
    seeds : dict or None
        Figures of the trainings with other seeds, and their spread.
    learning_curve : dict or None
        Figures of the trainings on fewer rows.
    parts : Parts
        Which parts of the report were made, and why the others were not.
    watched : bool
        Whether the training was looked at from its start, for the verdicts.
    """

    plan: Any
    estimator: Any
    evaluation: Evaluation
    baselines: list[Baseline] = field(default_factory=list)
    seconds: float = 0.0
    folder: Path | None = None
    seeds: dict[str, Any] | None = None
    learning_curve: dict[str, Any] | None = None
    parts: Parts = field(default_factory=Parts, repr=False)
    watched: bool = False

    def __repr__(self) -> str:
        """Return the result in one line: the plan holds the whole table."""
        figures = ", ".join(f"{name}={value:.4g}" for name, value in self.evaluation.metrics.items())
        folder = None if self.folder is None else str(self.folder)
        return f"TrainResult({type(network_of(self.estimator)).__name__}: {figures}; folder={folder!r})"

    @property
    def loss(self) -> float | None:
        """Training loss of the last epoch; None for a rule without one."""
        value = getattr(network_of(self.estimator), "loss_", None)
        return None if value is None else float(value)

    @property
    def n_epochs(self) -> int | None:
        """Epochs trained."""
        value = getattr(network_of(self.estimator), "n_iter_", None)
        return None if value is None else int(value)

    @property
    def stop_reason(self) -> str | None:
        """Why training ended."""
        return getattr(network_of(self.estimator), "stop_reason_", None)

    @property
    def temperature(self) -> float | None:
        """By which the logits are divided, where the network is calibrated."""
        value = getattr(network_of(self.estimator), "temperature_", None)
        return None if value is None else float(value)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the model and the rows, ready for JSON."""
        return {
            "schema": SCHEMA,
            **self.plan.to_dict(),
            "result": {
                **self.evaluation.to_dict(),
                "loss": self.loss,
                "n_epochs": self.n_epochs,
                "stop_reason": self.stop_reason,
                "seconds": round(self.seconds, 4),
                **({} if self.temperature is None else {"temperature": self.temperature}),
            },
            "baselines": [each.to_dict() for each in self.baselines],
            "audit": self.plan.audit.to_dict(),
            "folder": None if self.folder is None else _text(self.folder),
            **{name: getattr(self, name) for name in ("seeds", "learning_curve") if getattr(self, name) is not None},
        }


def _text(path: Path) -> str:
    """Return a path as text that can be written anywhere."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def fit_plan(plan: Plan, wishes: Wishes) -> TrainResult:
    """Do what was planned.

    Parameters
    ----------
    plan : Plan
        As :func:`strata.report.planning.plan_training` gives it.
    wishes : Wishes
        Where to write, how to compute, what else to make.

    Returns
    -------
    result : TrainResult
        What came out.
    """
    return carry_out(plan, wishes, Steps(_fit, _keep, _compare, write_report, recorder_for))


def _fit(plan: Plan, settings: Mapping[str, Any], say: Callable[[str], None] | None) -> TrainResult:
    """Train and score; no baselines yet."""
    estimator = build_estimator(plan, settings)
    start = clock.perf_counter()
    with warnings.catch_warnings(), noting_preparation(say) as preparation:
        warnings.simplefilter("ignore", ConvergenceWarning)  # `stop_reason` says it, and the command
        estimator.fit(plan.inputs(plan.X_train), plan.y_train)
    seconds = clock.perf_counter() - start - preparation.seconds
    evaluation = score_model(estimator, plan.inputs(plan.X_test), plan.y_test, task=plan.problem.task)
    return TrainResult(plan, estimator, evaluation, seconds=seconds)


def _keep(result: TrainResult, folder: RunFolder) -> None:
    keep_model(result, folder, result.plan.X_test.index.tolist())


def _compare(result: TrainResult, settings: Mapping[str, Any], wishes: Wishes) -> None:
    """Fit what the network is compared with: simpler methods, itself with other seeds and with fewer rows."""
    plan, parts = result.plan, result.parts
    if wishes.baselines:
        result.baselines = parts.add("baselines", lambda: _baselines(plan), saying="fitting the baselines") or []
        parts.content.pop("baselines", None)  # the result itself writes them
    else:
        parts.skip("baselines", "they were left out by baselines=False (--no-baselines)")
    if wishes.seeds > 1:
        result.seeds = parts.add("seeds", lambda: seed_spread(result, settings, wishes.seeds, say=parts.say))
    else:
        parts.skip("seeds", "the network was trained once; seeds=5 (--seeds 5) shows the spread over seeds")
    if wishes.learning_curve:
        result.learning_curve = parts.add("learning_curve", lambda: learning_curve_of(result, settings, say=parts.say))
    else:
        parts.skip("learning_curve", "it is made on request: learning_curve=True (--learning-curve)")


def _baselines(plan: Plan) -> list[Baseline]:
    X_train, X_test = encode_inputs(plan)
    return fit_baselines(X_train, plan.y_train, X_test, plan.y_test, task=plan.problem.task, seed=plan.seed)
