"""A training on pictures from its plan to the folder of the run: the same steps as for a table."""

import time as clock
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from strata.engine import noting_preparation
from strata.estimators import ImageClassifier
from strata.report.evaluation import Evaluation, score_predictions
from strata.report.executing import Steps, Wishes, carry_out
from strata.report.gallery import Gallery
from strata.report.image_baselines import fit_image_baselines
from strata.report.image_document import build_image_document
from strata.report.image_planning import ImagePlan
from strata.report.repeats import spread_of
from strata.report.run_folder import RunFolder
from strata.report.training import TrainResult
from strata.report.writing import keep_model, write_report

__all__ = ["build_classifier", "fit_image_plan", "score_pictures"]


def fit_image_plan(plan: ImagePlan, wishes: Wishes) -> TrainResult:
    """Do what was planned.

    Parameters
    ----------
    plan : ImagePlan
        As :func:`strata.report.image_planning.plan_image_training` gives it.
    wishes : Wishes
        Where to write, how to compute, what else to make.

    Returns
    -------
    result : TrainResult
        What came out.

    Raises
    ------
    ValueError
        If a wish is for tables only.
    """
    if wishes.learning_curve:
        raise ValueError("`learning_curve` must be False for pictures. Received: learning_curve=True.")
    write = partial(write_report, build=build_image_document)
    return carry_out(plan, wishes, Steps(_fit, _keep, _compare, write))


def build_classifier(plan: ImagePlan, settings: Mapping[str, Any]) -> ImageClassifier:
    """Return the unfitted estimator of a plan.

    Parameters
    ----------
    plan : ImagePlan
        The network and its parameters.
    settings : mapping of str to object
        Seed, device, folders and the like.

    Returns
    -------
    estimator : ImageClassifier
        Not fitted.
    """
    known = set(ImageClassifier._get_param_names())
    chosen = {name: value for name, value in settings.items() if name in known and value is not None}
    return ImageClassifier(plan.recipe.model, **(chosen | plan.recipe.parameters))


def score_pictures(estimator: ImageClassifier, pictures: Gallery) -> Evaluation:
    """Compare what a network sees in pictures with what they show.

    Parameters
    ----------
    estimator : ImageClassifier
        Fitted, with one label a picture.
    pictures : Gallery
        With labels.

    Returns
    -------
    evaluation : Evaluation
        The figures.
    """
    labels = np.asarray(pictures.labels)
    probabilities = np.asarray(estimator.predict_proba(pictures.inputs()), dtype=np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    classes = np.asarray(estimator.classes_)
    predictions = classes[probabilities.argmax(axis=1)]
    known = set(np.unique(labels).tolist()) <= set(classes.tolist())
    return score_predictions(
        labels,
        predictions,
        task="classification",
        classes=classes.tolist(),
        probabilities=probabilities if known else None,
    )


def _fit(plan: ImagePlan, settings: Mapping[str, Any], say: Callable[[str], None] | None) -> TrainResult:
    """Train and score; no baselines yet."""
    estimator = build_classifier(plan, settings)
    start = clock.perf_counter()
    with warnings.catch_warnings(), noting_preparation(say) as preparation:
        warnings.simplefilter("ignore", ConvergenceWarning)  # `stop_reason` says it, and the command
        estimator.fit(plan.train.inputs(), plan.train.labels)
    seconds = clock.perf_counter() - start - preparation.seconds
    plan.settle(estimator)
    return TrainResult(plan, estimator, score_pictures(estimator, plan.test), seconds=seconds)


def _keep(result: TrainResult, folder: RunFolder) -> None:
    keep_model(result, folder, result.plan.test.names, header="file")


def _compare(result: TrainResult, settings: Mapping[str, Any], wishes: Wishes) -> None:
    """Fit what the network is compared with."""
    plan, parts = result.plan, result.parts
    if wishes.baselines:
        fit = partial(fit_image_baselines, plan.train, plan.test, seed=plan.seed)
        result.baselines = parts.add("baselines", fit, saying="fitting the baselines") or []
        parts.content.pop("baselines", None)  # the result itself writes them
    else:
        parts.skip("baselines", "they were left out by baselines=False (--no-baselines)")
    if wishes.seeds > 1:
        again = partial(_again, plan, settings)
        result.seeds = parts.add("seeds", lambda: spread_of(result, wishes.seeds, again, say=parts.say))
    else:
        parts.skip("seeds", "the network was trained once; seeds=5 (--seeds 5) shows the spread over seeds")


def _again(plan: ImagePlan, settings: Mapping[str, Any], seed: int) -> Evaluation:
    """Train with another seed on the same pictures, and score on the same ones."""
    own = ("callbacks", "checkpoint", "progress", "resume")
    rest = {name: value for name, value in settings.items() if name not in own}
    estimator = build_classifier(plan, rest | {"random_state": seed})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(plan.train.inputs(), plan.train.labels)
    return score_pictures(estimator, plan.test)
