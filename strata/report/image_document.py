"""The report of a training on pictures as plain values, and the pictures on its page."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from strata.estimators import ImageClassifier
from strata.report.comparing import training_rows
from strata.report.document import add_figures, begin, finish
from strata.report.evaluation import Evaluation
from strata.report.gallery import Gallery
from strata.report.image_looking import class_examples, first_filters, look_closer, worst_pictures
from strata.report.parts import Parts
from strata.report.run_folder import environment
from strata.report.sections import curves

if TYPE_CHECKING:
    from strata.report.training import TrainResult

__all__ = ["LIBRARIES", "add_pictures", "build_image_document"]

#: Whose versions matter for pictures, beside those that matter always.
LIBRARIES = ("pillow", "kornia", "scikit-image")


def build_image_document(result: "TrainResult", *, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Gather everything that is known of a finished training on pictures.

    Parameters
    ----------
    result : TrainResult
        The training.
    config : mapping of str to object, optional
        What ``config.json`` of the run holds.

    Returns
    -------
    document : dict of str to object
        Plain values, and ``images``: what the page shows, as addresses that hold their data.
    """
    document, parts, plan = begin(result, config=config), result.parts, result.plan
    images: dict[str, str] = {}
    document["environment"] = environment(LIBRARIES)
    parts.skip("diagnosis", "the training of a network on pictures is not judged yet; strata.diagnose takes a module")
    parts.skip("learning_curve", "it is made for tables")
    parts.add("curves", lambda: curves(result.estimator))
    parts.add("examples", lambda: class_examples(plan.train, images))
    add_figures(document, result.estimator, result.evaluation, parts, rows=training_rows(result))
    add_pictures(result.estimator, result.evaluation, plan.test, parts, images)
    return finish(document, parts) | {"images": images}


def add_pictures(
    estimator: ImageClassifier, evaluation: Evaluation, pictures: Gallery, parts: Parts, images: dict[str, str]
) -> None:
    """Add what is shown rather than counted: mistakes, what the network reacts to, its first filters.

    Parameters
    ----------
    estimator : ImageClassifier
        Fitted.
    evaluation : Evaluation
        What it saw in the pictures.
    pictures : Gallery
        The same pictures.
    parts : Parts
        Computes and collects.
    images : dict of str to str
        Gets the pictures by name.
    """
    parts.add("worst", partial(worst_pictures, evaluation, pictures, images))
    saying = "looking at what the network sees"
    parts.add("looks", partial(look_closer, estimator, evaluation, pictures, images), saying=saying)
    parts.add("filters", partial(first_filters, estimator, images))
