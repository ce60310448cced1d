"""What a report is about: a fitted model, rows with known answers, and what it said of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from strata.report.evaluation import Evaluation

if TYPE_CHECKING:
    from strata.report.training import TrainResult

__all__ = ["Subject"]


@dataclass(frozen=True)
class Subject:
    """A model and the rows that it is judged on.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        Inputs in the form that the estimator takes.
    frame : DataFrame of shape (n_rows, n_columns)
        The same rows as a table, perhaps with columns that the model does not know.
    y : ndarray of shape (n_rows,)
        The answers.
    evaluation : Evaluation
        Predictions and their figures.
    target : str
        What is predicted.
    """

    estimator: Any
    X: Any
    frame: pd.DataFrame
    y: np.ndarray
    evaluation: Evaluation
    target: str

    @classmethod
    def of_training(cls, result: "TrainResult") -> "Subject":
        """Return the subject of a training: its test rows.

        Parameters
        ----------
        result : TrainResult
            A finished training.

        Returns
        -------
        subject : Subject
            The test rows, or those learned from where none are held out.
        """
        plan = result.plan
        frame = plan.X_test
        return cls(result.estimator, plan.inputs(frame), frame, plan.y_test, result.evaluation, plan.problem.target)

    @property
    def is_array(self) -> bool:
        """Whether the inputs are plain numbers without a meaning of their own, such as pixels."""
        return isinstance(self.X, np.ndarray)

    @property
    def is_classification(self) -> bool:
        """Whether classes are predicted."""
        return self.evaluation.task == "classification"
