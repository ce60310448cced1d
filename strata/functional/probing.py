"""Which features tell classes apart: a comparison of linear classifiers on examples that they have not seen."""

import warnings
from collections.abc import Mapping

import numpy as np
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

__all__ = ["clearly_better_features"]

_FOLDS = 3
_ERRORS = 3.0
_PENALTIES = tuple(10.0**power for power in range(1, 6))


def clearly_better_features(
    usual: np.ndarray, others: Mapping[str, np.ndarray], targets: np.ndarray, *, random_state: int
) -> str | None:
    """Name the features on which a linear classifier is clearly better than on the usual ones.

    Ridge regressions on standardised features predict each third of the examples from the other two; the penalty is
    chosen within these. Clearly is by more than three standard errors of the difference.

    Parameters
    ----------
    usual : ndarray of shape (n, d)
        What is taken in doubt.
    others : mapping of str to ndarray of shape (n, d_k)
        Rivals.
    targets : ndarray of shape (n,) or (n, k)
        Classes, or a table of 0 and 1.
    random_state : int
        Of the division.

    Returns
    -------
    name : str or None
        The best rival, if there is one that is clearly better.

    Examples
    --------
    >>> random = np.random.RandomState(0)
    >>> targets = random.randint(0, 2, 90)
    >>> noise, signal = random.randn(90, 5), targets[:, None] + 0.1 * random.randn(90, 3)
    >>> clearly_better_features(noise, {"signal": signal}, targets, random_state=0)
    'signal'
    >>> clearly_better_features(signal, {"noise": noise}, targets, random_state=0) is None
    True
    """
    single = targets.ndim == 1
    if single and (len(np.unique(targets)) < 2 or np.bincount(targets).max() < _FOLDS):
        return None
    folds = (StratifiedKFold if single else KFold)(_FOLDS, shuffle=True, random_state=random_state)

    def right(features: np.ndarray) -> np.ndarray:
        model = make_pipeline(StandardScaler(), RidgeClassifierCV(_PENALTIES))
        with warnings.catch_warnings():  # of classes with fewer members than there are parts
            warnings.simplefilter("ignore")
            found = np.asarray(cross_val_predict(model, features.astype(np.float64), targets, cv=folds))
        same = (found == targets).astype(np.float64)
        return same if single else np.asarray(same.mean(1))

    rights = {name: right(features) for name, features in others.items()}
    if not rights:
        return None
    best = max(rights, key=lambda name: float(rights[name].mean()))
    gain = rights[best] - right(usual)
    error = float(gain.std(ddof=1)) / float(np.sqrt(len(gain)))
    return best if float(gain.mean()) > _ERRORS * error else None
