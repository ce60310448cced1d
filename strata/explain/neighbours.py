"""Images in feature space: the nearest ones, and a plane to look at them.

A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS
2012, figure 4: images whose last hidden layer is nearest. L. van der Maaten, G. Hinton, "Visualizing Data using
t-SNE", JMLR 9, 2008.
"""

from typing import Any, NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from strata._names import unknown_name

__all__ = ["METRICS", "Neighbours", "PROJECTIONS", "nearest_images", "project_features"]

METRICS = ("cosine", "euclidean")
PROJECTIONS = ("pca", "tsne")


class Neighbours(NamedTuple):
    """The images nearest to some others.

    Parameters
    ----------
    indices : ndarray of shape (n_queries, k), int64
        Rows of the features that were searched, the nearest first.
    distances : ndarray of shape (n_queries, k), float64
        How far they are.
    """

    indices: np.ndarray
    distances: np.ndarray


def _checked(features: Any, name: str, least: int = 1) -> np.ndarray:
    values: np.ndarray = np.asarray(features, dtype=np.float64)
    if values.ndim != 2 or len(values) < least or values.shape[1] == 0:
        raise ValueError(f"`{name}` must be of shape (n, d) with n at least {least}. Received: shape {values.shape}.")
    if not np.isfinite(values).all():
        raise ValueError(f"`{name}` must be finite. Received: NaN or infinity among its values.")
    return values


def nearest_images(queries: Any, features: Any, *, k: int = 8, metric: str = "cosine") -> Neighbours:
    """Return which images a network takes for most alike.

    Parameters
    ----------
    queries : array-like of shape (n_queries, d)
        Features of the images that are asked for: the inputs of the last layer, for instance.
    features : array-like of shape (n, d)
        Features of the images that are searched. An image that is among them is its own neighbour.
    k : int, default=8
        How many neighbours; all where there are fewer.
    metric : {"cosine", "euclidean"}, default="cosine"
        Cosine: 1 minus the cosine of the angle.

    Returns
    -------
    neighbours : Neighbours
        Indices and distances, the nearest first.

    Raises
    ------
    ValueError
        If an array has another shape or is not finite, or a number or name is out of its range.

    Examples
    --------
    >>> nearest_images([[1.0, 0.1]], [[0.0, 1.0], [3.0, 0.0], [1.0, 1.0]], k=2).indices
    array([[1, 2]])
    """
    if metric not in METRICS:
        raise ValueError(unknown_name("metric", metric, METRICS))
    if k < 1:
        raise ValueError(f"`k` must be at least 1. Received: k={k}.")
    asked, searched = _checked(queries, "queries"), _checked(features, "features")
    if asked.shape[1] != searched.shape[1]:
        raise ValueError(
            f"`queries` must have as many columns as `features`. Received: {asked.shape[1]} and {searched.shape[1]}."
        )
    model = NearestNeighbors(n_neighbors=min(k, len(searched)), metric=metric, algorithm="brute").fit(searched)
    distances, indices = model.kneighbors(asked)
    return Neighbours(indices.astype(np.int64), distances)


def project_features(
    features: Any, *, method: str = "tsne", perplexity: float = 30.0, random_state: int = 0
) -> np.ndarray:
    """Lay features out in a plane.

    Parameters
    ----------
    features : array-like of shape (n, d)
        Features of images, at least 3 of them.
    method : {"tsne", "pca"}, default="tsne"
        t-SNE keeps neighbours together (on the first 50 principal components where there are more); PCA keeps the
        directions of largest variance, and distances as far as two dimensions can.
    perplexity : float, default=30.0
        Of t-SNE, about the number of neighbours that count; at most a third of the images is taken.
    random_state : int, default=0
        Seed.

    Returns
    -------
    places : ndarray of shape (n, 2), float64
        Without unit. In a plane of t-SNE neither distances between groups nor their sizes mean anything.

    Raises
    ------
    ValueError
        If the features have another shape or are not finite, or the method is unknown.

    Examples
    --------
    >>> project_features(np.eye(5), method="pca").shape
    (5, 2)
    """
    if method not in PROJECTIONS:
        raise ValueError(unknown_name("method", method, PROJECTIONS))
    if not 0 < perplexity < float("inf"):
        raise ValueError(f"`perplexity` must be above 0. Received: perplexity={perplexity}.")
    values = _checked(features, "features", least=3)
    n, d = values.shape
    if d < 2:
        values, d = np.hstack([values, np.zeros_like(values)]), 2
    if method == "pca":
        return np.asarray(PCA(2, random_state=random_state).fit_transform(values), dtype=np.float64)
    if d > 50 and n > 50:
        values = PCA(50, random_state=random_state).fit_transform(values)
    near = min(perplexity, max(1.0, (n - 1) / 3))
    start = "pca" if np.ptp(values, axis=0).max() > 0 else "random"
    model = TSNE(2, perplexity=near, init=start, random_state=random_state)
    return np.asarray(model.fit_transform(values), dtype=np.float64)
