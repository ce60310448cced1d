"""One call for everything that can be said about what a network sees in an image."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from strata._names import label_text, unknown_name
from strata.explain._parts import CROWDED, PARTS, LeftOutError
from strata.explain._subject import Crowd, Subject, crowd_of, subject_of
from strata.explain._words import WORDS
from strata.explain.explanation import Explanation, Part
from strata.explain.neighbours import PROJECTIONS

__all__ = ["explain", "list_parts"]

#: Of more training images a sample is searched, and laid out in a plane.
MAX_CROWD = 2000


def list_parts() -> tuple[str, ...]:
    """Return the names of the parts of an explanation, in the order of the page.

    Returns
    -------
    names : tuple of str
        For ``what`` of :func:`explain`.

    Examples
    --------
    >>> list_parts()[:3]
    ('prediction', 'evidence', 'saliency')
    """
    return tuple(WORDS)


def explain(
    classifier: Any,
    image: Any,
    *,
    what: str | Sequence[str] = "all",
    layers: Sequence[str] | None = None,
    target: Any = None,
    training: Any = None,
    projection: str = "tsne",
    n_steps: int = 80,
    random_state: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Explanation:
    """Show what a network sees in an image.

    Parameters
    ----------
    classifier : ImageClassifier
        Fitted. It and its network are left as they were found.
    image : path or array-like of shape (h, w) or (h, w, channels)
        One image, as the classifier takes it.
    what : str or sequence of str, default="all"
        Parts of :func:`list_parts`; those that need training images are left out where there are none.
    layers : sequence of str, optional
        Dotted names of layers to look into; by default a low, a middle and a high one (:func:`level_layers`).
    target : object, optional
        Label of the class that is explained; by default the most probable one.
    training : folder, ImageSet, pair (X, y) or images, optional
        Images to look for the nearest ones among; of more than 2,000 a sample.
    projection : {"tsne", "pca"}, default="tsne"
        How they are laid out in a plane.
    n_steps : int, default=80
        Steps in which images are made for units and classes: most of the time goes there.
    random_state : int, default=0
        Seed of the sample, of the plane and of what images are made from.
    progress : callable, optional
        Called with the title of each part before it is made.

    Returns
    -------
    explanation : Explanation
        Figures, numbers, and ``save(folder)``.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a part, layer or class is unknown; the message gives the nearest name.
    DataError
        If the image, or a training image, cannot be read.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from strata import ImageClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> images = X[:200].reshape(-1, 8, 8)
    >>> model = ImageClassifier(value_range=(0, 16), max_iter=5, random_state=0).fit(images, y[:200])
    >>> explanation = explain(model, images[0], what=["prediction", "evidence"])
    >>> list(explanation.figures), explanation.target
    (['prediction', 'evidence'], 0)
    """
    names = _names(what, training)
    if n_steps < 1:
        raise ValueError(f"`n_steps` must be at least 1. Received: n_steps={n_steps}.")
    if projection not in PROJECTIONS:
        raise ValueError(unknown_name("projection", projection, PROJECTIONS))
    subject = subject_of(classifier, image, layers=layers, target=target)
    crowd = None
    if training is not None and any(name in CROWDED for name in names):
        crowd = crowd_of(training, n_images=MAX_CROWD, random_state=random_state)
    parts: list[Part] = []
    left_out: dict[str, str] = {}
    features: list[tuple[np.ndarray, np.ndarray]] = []
    settings = {"made": (n_steps, random_state)}
    for name in names:
        if progress is not None:
            progress(WORDS[name].title)
        try:
            if name in PARTS:
                parts.append(PARTS[name](subject, *settings.get(name, ())))
            elif crowd is not None:
                if not features:
                    features.append(_features(subject, crowd, image))
                more = (random_state, projection) if name == "projection" else ()
                parts.append(CROWDED[name](subject, crowd, features[0], *more))
        except LeftOutError as reason:
            left_out[name] = str(reason)
    order = [int(k) for k in np.argsort(-subject.probs, kind="stable")[:10]]
    return Explanation(
        image=label_text(subject.name),
        model=str(classifier.model_name_),
        target=subject.classes[subject.target],
        predictions=tuple((subject.classes[k], float(subject.probs[k])) for k in order),
        layers=dict(subject.layers),
        parts=tuple(parts),
        left_out=left_out,
    )


def _names(what: str | Sequence[str], training: Any) -> list[str]:
    """Return the parts that are wanted, in the order of the page."""
    asked = [what] if isinstance(what, str) else list(what)
    known = [*WORDS, "all"]
    wrong = next((each for each in asked if each not in known), None)
    if wrong is not None:
        raise ValueError(unknown_name("part", wrong, known))
    if not asked:
        raise ValueError(f"`what` must name a part. Received: {what!r}. Give 'all'.")
    needing = [each for each in asked if each in CROWDED]
    if needing and training is None:
        raise ValueError(f"`training` must be given for {needing[0]!r}. Received: training=None.")
    if "all" in asked:
        return [each for each in WORDS if training is not None or each not in CROWDED]
    return [each for each in WORDS if each in asked]


def _features(subject: Subject, crowd: Crowd, image: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of the image, (1, d), and of the training images, (n, d)."""
    from_file = isinstance(image, str) or hasattr(image, "__fspath__")
    own = subject.classifier.features([image] if from_file else np.asarray(image)[None])
    return np.asarray(own, dtype=np.float64), np.asarray(subject.classifier.features(crowd.inputs), dtype=np.float64)
