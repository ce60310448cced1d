"""What methods from before deep learning reach on the same pictures: HOG with a linear machine, nearest neighbours.

N. Dalal, B. Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005.
"""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils import check_random_state

from strata.report.baselines import Baseline
from strata.report.evaluation import Evaluation, score_predictions
from strata.report.gallery import Gallery

__all__ = ["fit_image_baselines", "hog_features"]

#: A baseline may take seconds, not minutes: numbers that HOG and its machine look at, and products of the neighbours.
MAX_HOG_PIXELS = 12_000_000
MAX_SVM_CELLS = 6_000_000
MAX_NEIGHBOR_WORK = 300_000_000_000
N_NEIGHBORS = 5
#: HOG of the paper but for the window: 9 directions, cells of 8 x 8 pixels, blocks of 2 x 2 cells.
CELL, BLOCK, N_DIRECTIONS = 8, 2, 9


def hog_features(pictures: np.ndarray) -> np.ndarray:
    """Describe pictures by histograms of oriented gradients, as scikit-image computes them.

    Parameters
    ----------
    pictures : ndarray of shape (n, s, s, 3), uint8
        Of at least 16 x 16 pixels.

    Returns
    -------
    features : ndarray of shape (n, d), float32
        Nine directions, cells of 8 x 8 pixels, blocks of 2 x 2 cells with L2-Hys; ``d`` is 324 for 32 x 32 pixels.

    Raises
    ------
    ImportError
        If scikit-image is not installed.

    Examples
    --------
    >>> hog_features(np.zeros((2, 32, 32, 3), np.uint8)).shape
    (2, 324)
    """
    from skimage.feature import hog

    rows = [
        hog(
            picture,
            orientations=N_DIRECTIONS,
            pixels_per_cell=(CELL, CELL),
            cells_per_block=(BLOCK, BLOCK),
            block_norm="L2-Hys",
            channel_axis=-1,
        )
        for picture in pictures
    ]
    return np.asarray(rows, dtype=np.float32)


def fit_image_baselines(train: Gallery, test: Gallery, *, seed: int = 0) -> list[Baseline]:
    """Fit simple methods on the pictures to learn from and score them on those to test on.

    The majority class; a linear support vector machine on standardised HOG features (extra ``vision``); and five
    nearest neighbours by the distance of the pixels. All see the thumbnails of 32 x 32 or 64 x 64 pixels. No method
    may take minutes: of many pictures a part is learned from, and ``note`` says so.

    Parameters
    ----------
    train : Gallery
        Pictures to learn from.
    test : Gallery
        Pictures to test on.
    seed : int, default=0
        Seed of the draw of pictures where there are too many for a method.

    Returns
    -------
    baselines : list of Baseline
        In the order above; without scikit-image there is no HOG, which is a warning.
    """
    found = [_fit("majority class", DummyClassifier(), _nothing, train, test, len(train), seed)]
    try:
        found.append(_hog(train, test, seed))
    except ImportError:
        warnings.warn(
            "Histograms of oriented gradients are not among the baselines: they need scikit-image. "
            "Install it with: pip install 'strata[vision]'",
            RuntimeWarning,
            stacklevel=2,
        )
    n_neighbors = min(N_NEIGHBORS, len(train))
    n_numbers = int(np.prod(train.thumbnails.shape[1:]))
    limit = max(1_000, MAX_NEIGHBOR_WORK // (n_numbers * len(test)))
    neighbors = KNeighborsClassifier(n_neighbors, algorithm="brute")
    found.append(_fit(f"{n_neighbors} nearest neighbours by pixels", neighbors, _flat, train, test, limit, seed))
    return found


def _hog(train: Gallery, test: Gallery, seed: int) -> Baseline:
    side = train.thumbnails.shape[1]
    n_features = ((side // CELL) - BLOCK + 1) ** 2 * BLOCK**2 * N_DIRECTIONS
    n_classes = len(train.classes)
    limit = max(1_000, min(MAX_HOG_PIXELS // side**2, MAX_SVM_CELLS // (n_features * max(1, n_classes // 10))))
    machine = make_pipeline(StandardScaler(), LinearSVC(C=0.01, dual="auto", random_state=seed))
    return _fit("HOG + linear SVM", machine, hog_features, train, test, limit, seed)


def _nothing(pictures: np.ndarray) -> np.ndarray:
    """Return a row for each picture that says nothing of it."""
    return np.zeros((len(pictures), 1), dtype=np.float32)


def _flat(pictures: np.ndarray) -> np.ndarray:
    """Return the colours of each picture as one row."""
    return pictures.reshape(len(pictures), -1).astype(np.float32)


def _fit(
    name: str,
    estimator: Any,
    describe: Callable[[np.ndarray], np.ndarray],
    train: Gallery,
    test: Gallery,
    limit: int,
    seed: int,
) -> Baseline:
    start = time.perf_counter()
    labels = np.asarray(train.labels)
    rows = _some(labels, int(limit), seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        estimator.fit(describe(train.thumbnails[rows]), labels[rows])
    notes = [f"fitted on {len(rows):,} of {len(labels):,} pictures"] if len(rows) < len(labels) else []
    if any(issubclass(each.category, ConvergenceWarning) for each in caught):
        notes.append("not converged")
    evaluation = _scored(estimator, describe(test.thumbnails), test, train.classes)
    return Baseline(name, evaluation, time.perf_counter() - start, len(rows), "; ".join(notes))


def _scored(estimator: Any, features: np.ndarray, test: Gallery, classes: list[Any]) -> Evaluation:
    """Compare predictions with the labels, and probabilities where the method has some."""
    labels = np.asarray(test.labels)
    probs = estimator.predict_proba(features) if hasattr(estimator, "predict_proba") else None
    predictions = estimator.predict(features) if probs is None else np.asarray(classes)[probs.argmax(axis=1)]
    known = set(np.unique(labels).tolist()) <= set(classes)
    return score_predictions(
        labels, predictions, task="classification", classes=classes, probabilities=probs if known else None
    )


def _some(labels: np.ndarray, n_rows: int, seed: int) -> np.ndarray:
    """Return sorted numbers of at most about ``n_rows`` pictures, at least one of each class."""
    if len(labels) <= n_rows:
        return np.arange(len(labels))
    rows = check_random_state(seed).permutation(len(labels))[:n_rows]
    return np.sort(np.union1d(rows, np.unique(labels, return_index=True)[1]))
