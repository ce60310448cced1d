"""Pictures for notebooks, one class each, as scikit-learn's: ``from_estimator``, ``from_predictions``, ``plot(ax)``."""

from strata._svg import svg
from strata.report.displays.comparing import ImportanceDisplay, IntervalsDisplay
from strata.report.displays.confusion import ConfusionDisplay
from strata.report.displays.learning import LearningCurveDisplay
from strata.report.displays.ranking import PrecisionRecallDisplay, RocDisplay
from strata.report.displays.reliability import ReliabilityDisplay
from strata.report.displays.residuals import ResidualsDisplay
from strata.report.displays.training import TrainingCurvesDisplay

__all__ = [
    "ConfusionDisplay",
    "ImportanceDisplay",
    "IntervalsDisplay",
    "LearningCurveDisplay",
    "PrecisionRecallDisplay",
    "ReliabilityDisplay",
    "ResidualsDisplay",
    "RocDisplay",
    "TrainingCurvesDisplay",
    "svg",
]
