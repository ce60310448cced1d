"""The pictures on the page of a report: mistakes, what the network reacts to, its first filters, examples."""

import base64
import io
from typing import Any

import numpy as np
from matplotlib import colormaps
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from strata._names import label_text
from strata.data import read_image
from strata.estimators import ImageClassifier
from strata.explain import first_layer_filters, grad_cam, resize_map, saliency
from strata.explain.pictures import filter_sheet, to_pixels
from strata.report.evaluation import Evaluation
from strata.report.gallery import Gallery
from strata.report.worst import worst_rows

__all__ = ["class_examples", "data_address", "first_filters", "look_closer", "worst_pictures"]

N_WORST, N_LOOKS, N_EXAMPLES, MAX_CLASSES = 12, 3, 6, 12
#: Side of the pictures on the page in pixels: of mistakes, of examples, and of those that are looked at closely.
WORST_SIDE, EXAMPLE_SIDE, LOOK_SIDE = 192, 64, 192
#: Standard deviation of the noise of SmoothGrad, as a share of the range of a picture: thumbnails bear little.
NOISE = 0.05
#: Of more filters the strongest ones are shown.
MAX_FILTERS = 96
#: Pictures with sides up to this are embedded without loss and shown with their pixels.
PIXEL_ART = 64
Images = dict[str, str]


def data_address(picture: np.ndarray) -> str:
    """Return a picture as an address that holds its data.

    Parameters
    ----------
    picture : ndarray of shape (h, w, 3), uint8
        Red, green and blue.

    Returns
    -------
    address : str
        ``data:image/png`` for small pictures, else ``data:image/jpeg``.

    Examples
    --------
    >>> data_address(np.zeros((2, 2, 3), np.uint8))[:22]
    'data:image/png;base64,'
    """
    buffer = io.BytesIO()
    kind = "png" if max(picture.shape[:2]) <= PIXEL_ART else "jpeg"
    image = Image.fromarray(np.ascontiguousarray(picture))
    if kind == "png":
        image.save(buffer, "PNG", optimize=True)
    else:
        image.save(buffer, "JPEG", quality=88, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _shown(pictures: Gallery, row: int, side: int) -> np.ndarray:
    """Return a picture, scaled down to fit a square of ``side`` pixels where it is larger."""
    if pictures.files is not None:
        picture = read_image(pictures.files[row])
    else:
        picture = np.asarray(pictures.pixels)[row]
        picture = picture[..., None] if picture.ndim == 2 else picture
        picture = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    height, width = picture.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return picture
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


def worst_pictures(evaluation: Evaluation, pictures: Gallery, images: Images) -> list[dict[str, Any]]:
    """Return the pictures with the largest loss: the most confident mistakes.

    Parameters
    ----------
    evaluation : Evaluation
        What was seen in the pictures.
    pictures : Gallery
        The same pictures.
    images : dict of str to str
        Gets each of them, under the ``image`` of its row.

    Returns
    -------
    rows : list of dict
        As :func:`strata.report.worst_rows`, with the name of the picture as ``row``, and ``image`` in place of
        ``inputs``. Pictures that are named rightly are left out.
    """
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(worst_rows(evaluation, n_rows=4 * N_WORST)):
        if row["target"] == row["prediction"] or len(rows) == N_WORST:
            continue
        key = f"worst-{number}"
        images[key] = data_address(_shown(pictures, row["position"], WORST_SIDE))
        rest = {name: value for name, value in row.items() if name != "inputs"}
        rows.append(rest | {"row": pictures.names[row["position"]], "image": key})
    return rows


def class_examples(pictures: Gallery, images: Images) -> list[dict[str, Any]]:
    """Return some pictures of each class, as they were read.

    Parameters
    ----------
    pictures : Gallery
        Pictures that are learned from.
    images : dict of str to str
        Gets each of them, under its name in ``images`` of the class.

    Returns
    -------
    classes : list of dict
        ``label``, ``n`` and ``images`` of at most twelve classes.
    """
    labels = np.asarray(pictures.labels)
    found = []
    for number, label in enumerate(pictures.classes[:MAX_CLASSES]):
        rows = np.flatnonzero(labels == label)
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), N_EXAMPLES)).round().astype(int))]
        keys = []
        for place, row in enumerate(chosen):
            keys.append(f"class-{number}-{place}")
            images[keys[-1]] = data_address(_shown(pictures, int(row), EXAMPLE_SIDE))
        found.append({"label": label_text(label), "n": len(rows), "images": keys})
    return found


def first_filters(estimator: ImageClassifier, images: Images) -> dict[str, Any]:
    """Return what the filters of the first layer look like, side by side.

    Parameters
    ----------
    estimator : ImageClassifier
        Fitted.
    images : dict of str to str
        Gets the sheet, under "filters".

    Returns
    -------
    filters : dict
        ``n`` filters of ``size`` on ``channels``, of which ``shown`` are on the sheet; ``spread`` is the standard
        deviation of the weights of all of them; ``weights`` names those that they came with, where they did not learn
        themselves.
    """
    filters = first_layer_filters(estimator.network_)
    n, channels, height, width = filters.shape
    images["filters"] = _png(_bytes(filter_sheet(filters, max_filters=MAX_FILTERS)))
    found = {"n": n, "shown": min(n, MAX_FILTERS), "size": f"{width} × {height}", "channels": channels}
    found["spread"] = float(filters.std(correction=0))
    return found | {"weights": label_text(estimator.weights) if _filters_are_frozen(estimator) else None}


def _filters_are_frozen(estimator: ImageClassifier) -> bool:
    """Whether the first convolution learned in no phase of the training."""
    first = next((name for name, each in estimator.network_.named_modules() if isinstance(each, nn.Conv2d)), "")
    still = [str(phase["frozen"]).split(", ") for phase in getattr(estimator, "phases_", ())]
    return bool(still) and all(any(f"{first}.".startswith(f"{name}.") for name in names) for names in still)


def _png(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture, "RGBA").save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def look_closer(
    estimator: ImageClassifier, evaluation: Evaluation, pictures: Gallery, images: Images
) -> list[dict[str, Any]]:
    """Return where the network looks, in pictures that it named surely and rightly and in its worst mistakes.

    Parameters
    ----------
    estimator : ImageClassifier
        Fitted.
    evaluation : Evaluation
        What it saw in the pictures.
    pictures : Gallery
        The same pictures.
    images : dict of str to str
        Gets ``seen``, ``saliency``, ``cam`` and, of a mistake, ``cam_true`` of each row.

    Returns
    -------
    rows : list of dict
        ``row``, the name of the picture, ``target``, ``prediction``, ``probability``, and ``images``: the picture as
        the network takes it, the gradient of the score of the predicted class (SmoothGrad, averaged over neighbours),
        and Grad-CAM of the predicted and the true class.
    """
    chosen = _chosen(evaluation)
    if not chosen:
        return []
    x = estimator.prepare(pictures.inputs(np.asarray(chosen)))
    classes = np.asarray(estimator.classes_).tolist()
    said = [classes.index(evaluation.predictions[row]) for row in chosen]
    known = [classes.index(label) if (label := evaluation.targets[row]) in classes else None for row in chosen]
    size = (int(x.shape[2]), int(x.shape[3]))
    seen = _pixels(estimator, x)
    heat = saliency(estimator.network_, x, target=said, method="smooth", noise=NOISE).cpu().numpy()
    heat = gaussian_filter(heat, (0.0, size[0] / 32, size[1] / 32))  # single pixels say little
    cams = resize_map(grad_cam(estimator.network_, x, target=said), size).cpu().numpy()
    true = [said[i] if code is None else code for i, code in enumerate(known)]
    of_true = resize_map(grad_cam(estimator.network_, x, target=true), size).cpu().numpy()
    rows = []
    for i, row in enumerate(chosen):
        own = {"seen": _enlarged(seen[i]), "saliency": _glow(heat[i]), "cam": _overlaid(seen[i], cams[i])}
        if known[i] is not None and known[i] != said[i]:
            own["cam_true"] = _overlaid(seen[i], of_true[i])
        keys = {name: f"look-{i}-{name}" for name in own}
        images |= {keys[name]: data_address(picture) for name, picture in own.items()}
        rows.append(
            {
                "row": pictures.names[row],
                "target": label_text(evaluation.targets[row]),
                "prediction": label_text(evaluation.predictions[row]),
                "probability": None if evaluation.probabilities is None else float(_largest(evaluation)[row]),
                "images": keys,
            }
        )
    return rows


def _largest(evaluation: Evaluation) -> np.ndarray:
    return np.asarray(np.asarray(evaluation.probabilities).max(axis=1))


def _chosen(evaluation: Evaluation) -> list[int]:
    """Return numbers of pictures: sure and right ones of different classes, then the worst mistakes."""
    if evaluation.probabilities is None:
        return []
    sure = _largest(evaluation)
    right = np.flatnonzero(evaluation.predictions == evaluation.targets)
    chosen: list[int] = []
    taken: set[Any] = set()
    for row in right[np.argsort(-sure[right], kind="stable")]:
        label = evaluation.targets[row]
        if label not in taken and len(chosen) < N_LOOKS:
            chosen.append(int(row))
            taken.add(label)
    wrong = [row for row in worst_rows(evaluation, n_rows=4 * N_LOOKS) if row["target"] != row["prediction"]]
    return [*chosen, *(row["position"] for row in wrong[:N_LOOKS])]


def _pixels(estimator: ImageClassifier, x: Tensor) -> np.ndarray:
    """Return prepared pictures as colours again, (n, h, w, 3) from 0 to 1."""
    values = to_pixels(x, np.asarray(estimator.mean_).tolist(), np.asarray(estimator.std_).tolist())
    return values if values.shape[3] == 3 else np.repeat(values[..., :1], 3, axis=3)


def _bytes(picture: np.ndarray) -> np.ndarray:
    return np.asarray(np.round(255 * np.clip(picture, 0, 1)), dtype=np.uint8)


def _scaled(picture: np.ndarray, resampling: Image.Resampling) -> np.ndarray:
    """Return a picture at the size at which it is shown."""
    height, width = picture.shape[:2]
    factor = LOOK_SIDE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(_bytes(picture)).resize(size, resampling), dtype=np.float64) / 255


def _enlarged(picture: np.ndarray) -> np.ndarray:
    return _bytes(_scaled(picture, Image.Resampling.NEAREST))


def _levels(heat: np.ndarray) -> np.ndarray:
    """Return a map from 0 to 1; its largest hundredth is 1."""
    top = float(np.quantile(heat, 0.99)) or float(heat.max())
    return np.asarray(np.clip(heat / top, 0.0, 1.0) if top > 0 else np.zeros_like(heat))


def _glow(heat: np.ndarray) -> np.ndarray:
    return _bytes(colormaps["inferno"](_scaled(_levels(heat), Image.Resampling.BILINEAR))[..., :3])


def _overlaid(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    base = _scaled(picture, Image.Resampling.NEAREST)
    grey = 0.6 * base.mean(axis=2, keepdims=True) + 0.4 * base
    levels = _scaled(_levels(heat), Image.Resampling.BILINEAR)
    share = 0.75 * levels[..., None]
    return _bytes((1 - share) * grey + share * colormaps["plasma"](levels)[..., :3])
