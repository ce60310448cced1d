"""Train, score and compare: a network's figures always stand beside those of simpler methods."""

from strata.report.baselines import Baseline, fit_baselines
from strata.report.displays import (
    ConfusionDisplay,
    ImportanceDisplay,
    IntervalsDisplay,
    LearningCurveDisplay,
    PrecisionRecallDisplay,
    ReliabilityDisplay,
    ResidualsDisplay,
    RocDisplay,
    TrainingCurvesDisplay,
    svg,
)
from strata.report.entry import train
from strata.report.evaluating import evaluate
from strata.report.evaluation import Evaluation, score_predictions
from strata.report.groups import Group, group_errors
from strata.report.importance import Importance, column_importance
from strata.report.intervals import Interval, bootstrap_interval, difference_intervals, score_intervals
from strata.report.planning import Plan, plan_training
from strata.report.plots import plot_evaluation, plot_history
from strata.report.ranking import RankingCurve, ranking_curves
from strata.report.recipes import MODELS, ModelEntry
from strata.report.reliability import Reliability, calibration_record, reliability_bins
from strata.report.scores import SCORES, Score, compute_scores
from strata.report.training import TrainResult
from strata.report.worst import worst_rows

__all__ = [
    "Baseline",
    "ConfusionDisplay",
    "Evaluation",
    "Group",
    "Importance",
    "ImportanceDisplay",
    "Interval",
    "IntervalsDisplay",
    "LearningCurveDisplay",
    "MODELS",
    "ModelEntry",
    "Plan",
    "PrecisionRecallDisplay",
    "RankingCurve",
    "Reliability",
    "ReliabilityDisplay",
    "ResidualsDisplay",
    "RocDisplay",
    "SCORES",
    "Score",
    "TrainResult",
    "TrainingCurvesDisplay",
    "bootstrap_interval",
    "calibration_record",
    "column_importance",
    "compute_scores",
    "difference_intervals",
    "evaluate",
    "fit_baselines",
    "group_errors",
    "plan_training",
    "plot_evaluation",
    "plot_history",
    "ranking_curves",
    "reliability_bins",
    "score_intervals",
    "score_predictions",
    "svg",
    "train",
    "worst_rows",
]
