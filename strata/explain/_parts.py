"""The parts of an explanation, one function each: what is computed, drawn and said."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from strata._names import label_text
from strata.explain._look import SHARP_SIDE, number, percent
from strata.explain._network import examined, scores_of
from strata.explain._subject import Crowd, Subject
from strata.explain.class_maps import box_of_map, cam, grad_cam, resize_map
from strata.explain.deconvolution import deconvolve, strongest_units
from strata.explain.explanation import Part
from strata.explain.gallery import draw_neighbours, draw_probabilities, draw_projection
from strata.explain.gradients import input_gradient, integrated_gradients, saliency
from strata.explain.layers import feature_maps, first_layer_filters
from strata.explain.maximization import Regularization, maximize_activation
from strata.explain.neighbours import nearest_images, project_features
from strata.explain.occlusion import occlusion
from strata.explain.pictures import (
    Heatmap,
    draw_feature_maps,
    draw_filters,
    draw_heatmaps,
    draw_made_images,
    draw_patterns,
)

__all__ = ["CROWDED", "LeftOutError", "PARTS"]

N_UNITS, N_CLASSES, N_NEIGHBOURS = 6, 6, 8
#: Made images in a row that are large.
N_LARGE = 3
#: Points on the path of integrated gradients.
N_POINTS = 64
#: Images are made at this side at most: enough for textures, and for a class.
UNIT_SIDE, CLASS_SIDE = 112, 160
#: By level, how much images are kept smooth: edges are fine, objects are not.
SMOOTHNESS = {"low": 0.5}
#: Noise of SmoothGrad as a share of the range: thumbnails bear less of it.
NOISE, SMALL_NOISE = 0.15, 0.05
#: From this side on single pixels are too fine to be seen, and saliency is smoothed a little for the eye.
FINE_SIDE = 96


class LeftOutError(Exception):
    """A part cannot be drawn for this network; the message says why."""


def _prediction(subject: Subject) -> Part:
    figure = draw_probabilities(subject.pixels, subject.classes, subject.probs.tolist(), chosen=subject.target)
    names = [f"{label_text(subject.classes[k])} {percent(float(subject.probs[k]))}" for k in subject.top(3)]
    h, w = subject.size
    return Part("prediction", figure, f"{', '.join(names)}. The network sees {w} × {h} pixels.", {"size": [h, w]})


def _sharp(subject: Subject) -> tuple[np.ndarray, int]:
    """Return the image large enough for a map to lie smoothly on it, and the factor."""
    factor = max(1, math.ceil(SHARP_SIDE / min(subject.size)))
    return subject.pixels.repeat(factor, 0).repeat(factor, 1), factor


def _evidence(subject: Subject) -> Part:
    network, x, target = subject.network, subject.x, subject.target
    large, factor = _sharp(subject)
    size = large.shape[0], large.shape[1]
    weights = grad_cam(network, x, target=target)
    maps = [Heatmap("Grad-CAM", resize_map(weights, size)[0].numpy(), "weight in the score")]
    try:
        scores = resize_map(cam(network, x, target=target), size)[0].numpy()
        maps.append(Heatmap("class activation map", scores, "score at each place", signed=True))
    except ValueError:
        pass  # the network ends otherwise, and Grad-CAM alone says where
    figure_of = "score" if subject.classifier.multi_label_ else "probability"
    fall = occlusion(network, x, target=target, figure=figure_of)[0].numpy()
    covered = fall.repeat(factor, 0).repeat(factor, 1)
    maps.append(Heatmap("occlusion", covered, f"{figure_of} lost when covered", signed=True))
    at = resize_map(weights, subject.size)[0]
    box = box_of_map(at, threshold=0.5)
    h, w = subject.size
    peak = [int(at.argmax()) % w, int(at.argmax()) // w]
    where = "is zero everywhere"
    if box is not None:
        where = f"is largest at x {peak[0]}, y {peak[1]} of {w} × {h} pixels"
        whole = (box[2] - box[0]) * (box[3] - box[1]) > 0.8 * h * w
        spread = " and spread over the image" if whole else f" and above half of that within x {box[0]} to {box[2]}"
        where += spread if whole else f"{spread}, y {box[1]} to {box[3]}"
    fallen = number(float(fall.max()))
    covering = f"covering one square lowers the {figure_of} by {fallen} at most."
    caption = f"Evidence for {subject.asked}: Grad-CAM {where}; {covering}"
    numbers = {"strongest": peak, "box": box, "largest_fall": float(fall.max()), "largest_rise": float(-fall.min())}
    return Part("evidence", draw_heatmaps(large, maps), caption, numbers)


def _for_the_eye(values: Tensor) -> np.ndarray:
    array: np.ndarray = values.numpy().astype(np.float64)
    side = min(array.shape[:2])
    fine = side < FINE_SIDE or array.ndim == 3
    return array if fine else np.asarray(ndimage.gaussian_filter(array, side / 224))


def _pattern(signal: Tensor) -> Tensor:
    """Return a signal (c, h, w) in the colours of the image, or in one where the image has no colours."""
    return signal.permute(1, 2, 0) if len(signal) == 3 else signal.abs().amax(0)


def _saliency(subject: Subject) -> Part:
    network, x, target = subject.network, subject.x, subject.target
    guided = input_gradient(network, x, target=target, rule="guided", shifted=True)[0]
    noise = NOISE if min(subject.size) >= FINE_SIDE else SMALL_NOISE
    shares = integrated_gradients(network, x, target=target, n_steps=N_POINTS)
    weights = resize_map(grad_cam(network, x, target=target), subject.size)[0]
    panels = [
        ("gradient", saliency(network, x, target=target)[0], "|∂ score / ∂ pixel|", False),
        (
            "SmoothGrad",
            saliency(network, x, target=target, method="smooth", noise=noise)[0],
            "mean over noisy copies",
            False,
        ),
        ("guided back-propagation", _pattern(guided), "what excites; grey is nothing", False),
        ("integrated gradients", shares.sum(1)[0], "share: red for it, blue against", True),
        ("guided Grad-CAM", _pattern(guided * weights), "the same, times Grad-CAM", False),
    ]
    maps = [Heatmap(name, _for_the_eye(each), label, overlay=False, signed=s) for name, each, label, s in panels]
    with examined(network) as looked_at, torch.no_grad():
        ends = scores_of(looked_at, torch.cat([x, torch.zeros_like(x)]))[:, target]
    rise, total = float(ends[0] - ends[1]), float(shares.sum())
    caption = (
        f"The score of {subject.asked} is {number(float(ends[0]), 3)}, that of the mean colour "
        f"{number(float(ends[1]), 3)}; the shares of the pixels add up to {number(total, 3)} of the difference of "
        f"{number(rise, 3)}."
    )
    return Part("saliency", draw_heatmaps(subject.pixels, maps), caption, {"rise": rise, "sum_of_shares": total})


def _outputs(subject: Subject) -> dict[str, Tensor]:
    """Return the maps of the layers that have places, (channels, h, w), by level or name."""
    maps = feature_maps(subject.network, subject.x, list(dict.fromkeys(subject.layers.values())))
    found = {level: maps[layer][0] for level, layer in subject.layers.items() if maps[layer].ndim == 4}
    if not found:
        raise LeftOutError("none of the layers gives maps")
    return found


def _called(subject: Subject, level: str) -> str:
    layer = subject.layers[level]
    return layer if layer == level else f"{level} level: {layer}"


def _inside(maps: Tensor) -> Tensor:
    """Return maps (channels, h, w) without their margin, where units answer to the end of the image."""
    rows, columns = (max(1, side // 8) if side >= 5 else 0 for side in maps.shape[1:])
    return maps[:, rows : maps.shape[1] - rows, columns : maps.shape[2] - columns]


def _outstanding(maps: Tensor) -> list[int]:
    """Return the units whose answer stands out most from their mean over the image; not those that answer all over."""
    inside = _inside(maps)
    return strongest_units((inside - maps.mean((1, 2), keepdim=True))[None], N_UNITS)


def _strongest_place(maps: Tensor, unit: int) -> tuple[int, int]:
    """Return row and column where a unit answers most, away from the margin."""
    inside = _inside(maps)
    row, column = divmod(int(inside[unit].argmax()), inside.shape[2])
    return row + (maps.shape[1] - inside.shape[1]) // 2, column + (maps.shape[2] - inside.shape[2]) // 2


def _maps(subject: Subject) -> Part:
    maps = _outputs(subject)
    figure = draw_feature_maps({_called(subject, level): each for level, each in maps.items()})
    silent = {level: int((each.flatten(1).amax(1) <= 0).sum()) for level, each in maps.items()}
    words = [f"{n} of the {len(maps[level])} maps of {subject.layers[level]}" for level, n in silent.items() if n]
    caption = f"Silent everywhere in this image: {', '.join(words)}." if words else "No map is silent in this image."
    numbers = {
        level: {"layer": subject.layers[level], "shape": list(each.shape), "silent": silent[level]}
        for level, each in maps.items()
    }
    return Part("maps", figure, caption, {"maps": numbers})


def _patterns(subject: Subject) -> Part:
    rows: dict[str, list[tuple[Any, Any]]] = {}
    captions: dict[str, list[str]] = {}
    units: dict[str, list[int]] = {}
    for level, maps in _outputs(subject).items():
        layer = subject.layers[level]
        chosen = _outstanding(maps)
        if not chosen:
            continue
        name = _called(subject, level)
        back = [
            deconvolve(subject.network, subject.x, layer, unit, position=_strongest_place(maps, unit), shifted=True)
            for unit in chosen
        ]
        rows[name] = [(subject.pixels, each[0].permute(1, 2, 0)) for each in back]
        captions[name] = [f"unit {unit}" for unit in chosen]
        units[layer] = chosen
    if not rows:
        raise LeftOutError("no unit answers to this image")
    caption = "Each unit at the place where it answered most; above the pattern, below the part of the image."
    return Part("patterns", draw_patterns(rows, captions=captions), caption, {"units": units})


def _made(subject: Subject, n_steps: int, random_state: int) -> Part:
    c, (h, w) = subject.x.shape[1], subject.size
    mean, std = (torch.as_tensor(v, dtype=torch.float32).reshape(-1, 1, 1) for v in _normalisation(subject))
    settings: dict[str, Any] = {"low": -mean / std, "high": (1 - mean) / std, "random_state": random_state}
    settings |= {"n_steps": n_steps, "step_size": float(0.025 / std.mean())}
    rows: dict[str, np.ndarray] = {}
    captions: dict[str, list[str]] = {}
    units: dict[str, list[int]] = {}
    for level, maps in _outputs(subject).items():
        layer, name = subject.layers[level], _called(subject, level)
        units[layer] = _outstanding(maps) or list(range(min(N_UNITS, len(maps))))
        keep = Regularization(smoothness=SMOOTHNESS.get(level, 1.0))
        shape = (c, min(h, UNIT_SIDE), min(w, UNIT_SIDE))
        images = maximize_activation(subject.network, layer, units[layer], shape=shape, regularization=keep, **settings)
        rows[name], captions[name] = subject.colors(images), [f"unit {unit}" for unit in units[layer]]
    classes = subject.top(N_CLASSES)
    shape = _class_shape(subject, (c, h, w))
    images = maximize_activation(subject.network, None, classes, shape=shape, **settings)
    rows["classes"], captions["classes"] = subject.colors(images), [label_text(subject.classes[k]) for k in classes]
    with examined(subject.network) as looked_at, torch.no_grad():
        scores = scores_of(looked_at, images)
    probs = (scores.sigmoid() if subject.classifier.multi_label_ else scores.softmax(1))[range(len(classes)), classes]
    caption = (
        f"{n_steps} steps from noise. Shown the images of the classes, the network gives the class that each was made "
        f"for a probability of {percent(float(probs.min()))} or more."
    )
    made = {label_text(subject.classes[k]): float(p) for k, p in zip(classes, probs, strict=True)}
    groups = {name: list(each) for name, each in rows.items()}
    fine = min(subject.size) >= FINE_SIDE
    large = ["classes", *(_called(subject, level) for level in subject.layers if level == "high" and fine)]
    figure = draw_made_images(groups, captions=captions, columns=dict.fromkeys(large, N_LARGE))
    return Part("made", figure, caption, {"units": units, "classes": made, "n_steps": n_steps})


def _normalisation(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(subject.classifier.mean_), np.asarray(subject.classifier.std_)


def _class_shape(subject: Subject, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return a size at which images of classes are made: a smaller one than usual where the network takes it."""
    smaller = (shape[0], min(shape[1], CLASS_SIDE), min(shape[2], CLASS_SIDE))
    try:
        with examined(subject.network) as network, torch.no_grad():
            scores_of(network, subject.x.new_zeros(1, *smaller))
    except ValueError:
        return shape
    return smaller


def _filters(subject: Subject) -> Part:
    try:
        filters = first_layer_filters(subject.network)
    except ValueError:
        raise LeftOutError("the network has no convolution") from None
    n, c, h, w = filters.shape
    caption = f"{n} filters of {w} × {h} pixels on {c} channel{'' if c == 1 else 's'}."
    return Part("filters", draw_filters(filters, title=""), caption, {"shape": [n, c, h, w]})


def _neighbours(subject: Subject, crowd: Crowd, features: tuple[np.ndarray, np.ndarray]) -> Part:
    own, others = features
    found = nearest_images(own, others, k=N_NEIGHBOURS)
    rows = found.indices[0].tolist()
    inputs = [crowd.inputs[row] for row in rows] if isinstance(crowd.inputs, list) else crowd.inputs[rows]
    images = subject.colors(subject.classifier.prepare(inputs))
    labels: list[Any] = [None] * len(rows) if crowd.labels is None else [crowd.labels[row] for row in rows]
    predicted = label_text(subject.classes[int(subject.probs.argmax())])
    distances = found.distances[0].tolist()
    figure = draw_neighbours(
        subject.pixels, list(images), labels, distances, predicted=None if crowd.labels is None else predicted
    )
    searched = f"{len(crowd)} of {crowd.n_all}" if len(crowd) < crowd.n_all else f"{len(crowd)}"
    same = "" if crowd.labels is None else f"{labels.count(predicted)} of {len(rows)} are {predicted}. "
    twin = " The nearest is the same to the network." if distances[0] < 1e-6 else ""
    numbers = {"labels": labels, "distances": distances, "n_searched": len(crowd), "n_all": crowd.n_all}
    return Part("neighbours", figure, f"{same}Searched: {searched} images.{twin}", numbers)


def _projection(
    subject: Subject, crowd: Crowd, features: tuple[np.ndarray, np.ndarray], random_state: int, method: str
) -> Part:
    own, others = features
    if len(crowd) < 3:
        raise LeftOutError("a plane needs three training images at least")
    places = project_features(np.concatenate([others, own]), method=method, random_state=random_state)
    axes = ("t-SNE, no unit", "") if method == "tsne" else ("first principal component", "second principal component")
    figure = draw_projection(places[:-1], crowd.labels, query=places[-1], x_label=axes[0], y_label=axes[1])
    words = "by t-SNE" if method == "tsne" else "by their first two principal components"
    shown = f"{len(crowd)} training images, {others.shape[1]} features each"
    caption = f"{shown}, {words}; the star is this image."
    return Part("projection", figure, caption, {"method": method, "n_images": len(crowd), "place": places[-1].tolist()})


#: Parts that look at the image and the network alone; ``made`` takes its steps and a seed as well.
PARTS: dict[str, Callable[..., Part]] = {
    "prediction": _prediction,
    "evidence": _evidence,
    "saliency": _saliency,
    "maps": _maps,
    "patterns": _patterns,
    "made": _made,
    "filters": _filters,
}
#: Parts that look at training images too.
CROWDED: dict[str, Callable[..., Part]] = {"neighbours": _neighbours, "projection": _projection}
