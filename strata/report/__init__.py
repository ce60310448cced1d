"""Train, score and compare: a network's figures always stand beside those of simpler methods."""

from strata.report.baselines import Baseline, fit_baselines
from strata.report.evaluation import Evaluation, score_predictions
from strata.report.planning import Plan, plan_training
from strata.report.plots import plot_confusion, plot_evaluation, plot_history, plot_residuals
from strata.report.recipes import MODELS, ModelEntry
from strata.report.scoring import evaluate
from strata.report.training import TrainResult, train

__all__ = [
    "Baseline",
    "Evaluation",
    "MODELS",
    "ModelEntry",
    "Plan",
    "TrainResult",
    "evaluate",
    "fit_baselines",
    "plan_training",
    "plot_confusion",
    "plot_evaluation",
    "plot_history",
    "plot_residuals",
    "score_predictions",
    "train",
]
