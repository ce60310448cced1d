"""The pictures of the report, drawn from its numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from strata._names import label_text
from strata.report.charts import Series, chart

__all__ = [
    "calibration_chart",
    "code_chart",
    "learning_chart",
    "loss_chart",
    "precision_chart",
    "residual_chart",
    "roc_chart",
    "score_chart",
    "truth_chart",
    "worst_groups",
]

#: More curves cannot be told apart.
MAX_CURVES = 6
#: Colours of groups of points.
MAX_GROUP_SLOTS = 12


def calibration_chart(record: Mapping[str, Any]) -> tuple[Markup, list[Series]]:
    """Draw how often something happened against how probable it was said to be.

    Parameters
    ----------
    record : mapping of str to object
        The part ``calibration`` of a report.

    Returns
    -------
    picture : tuple of Markup and list of Series
        The picture and what is in it.
    """
    after, before = record["after"], record.get("before")
    series = [Series("exact", [0.0, 1.0], [0.0, 1.0], slot=-1)]
    if before:
        series.append(Series("before scaling", before["probability"], before["frequency"], kind="both", slot=1))
    ends = {"low": after["low"], "high": after["high"]} if len(after["low"]) > 1 else {}
    name = "after scaling" if before else "this network"
    series.append(Series(name, after["probability"], after["frequency"], kind="both", slot=0, **ends))
    picture = chart(
        series,
        title=f"Calibration: how often {after['event'][:60]} was true, by its predicted probability",
        description=f"expected calibration error {after['ece']:.4f}; the band is a 95 % interval of each point",
        x_label="predicted probability",
        y_label="how often it was so",
        x_range=(-0.02, 1.02),
        y_range=(-0.02, 1.02),
    )
    return picture, series


def code_chart(codes: Mapping[str, Any]) -> tuple[Markup, list[Series]]:
    """Draw where the codes of rows lie in a plane, by what is known of the rows.

    Parameters
    ----------
    codes : mapping of str to object
        The part ``codes`` of a report.

    Returns
    -------
    picture : tuple of Markup and list of Series
        The picture and what is in it.
    """
    axes = {
        "components": ("first component of the codes", "second component"),
        "units": ("unit 0", "unit 1"),
        "error": ("unit 0", "error of the row"),
    }[codes["plane"]]
    series = [
        Series(label_text(group["label"]), group["x"], group["y"], kind="points", slot=number % MAX_GROUP_SLOTS)
        for number, group in enumerate(codes["points"])
    ]
    picture = chart(
        series,
        title="Codes of held-out rows",
        description=f"{codes['n_shown']} points in {len(series)} groups",
        x_label=axes[0],
        y_label=axes[1],
    )
    return picture, series


def learning_chart(curve: Mapping[str, Any]) -> tuple[Markup, list[Series]]:
    """Draw the scores against the number of training rows.

    Parameters
    ----------
    curve : mapping of str to object
        The part ``learning_curve`` of a report.

    Returns
    -------
    picture : tuple of Markup and list of Series
        The picture and what is in it.
    """
    points = curve["points"]
    sizes = [point["n_train"] for point in points]
    series = [
        Series("test rows", sizes, [point["test"] for point in points], kind="both", slot=0),
        Series("training rows", sizes, [point["train"] for point in points], kind="both", slot=1),
    ]
    last = points[-1]
    picture = chart(
        series,
        title="Score against the number of training rows",
        description=f"{last['n_train']} rows: {last['test']:.4g} on test rows, {last['train']:.4g} on training rows",
        x_label="training rows",
        y_label="R²" if curve["figure"] == "r2" else "accuracy",
    )
    return picture, series


def _curves_of(curves: Mapping[str, Any], figure: str) -> list[Series]:
    """Return a figure of training rows, of those kept aside for validation, and of the held-out rows.

    The training's own loss has dropout and penalties in it, and may be a sum; where the training was looked at, the
    plain loss of a sample of the training rows stands in its place.
    """
    columns, seen = curves["columns"], curves.get("watched")
    own = [
        Series(word, curves["epoch"], columns[name], slot=slot)
        for slot, (name, word) in enumerate(((figure, "training"), (f"val_{figure}", "validation")))
        if any(value is not None for value in columns.get(name, ()))
    ]
    if not seen:
        return own
    pair = (("training rows", f"train_{figure}", 0), ("held-out rows", figure, 2))
    watched = [Series(word, seen["epoch"], seen[name], slot=slot) for word, name, slot in pair if seen[name]]
    return [*watched, *(each for each in own if each.slot == 1)]


def loss_chart(curves: Mapping[str, Any]) -> tuple[Markup, list[Series]] | None:
    """Draw the loss over the epochs.

    Parameters
    ----------
    curves : mapping of str to object
        The part ``curves`` of a report.

    Returns
    -------
    picture : tuple of Markup and list of Series, or None
        The picture and what is in it; None where there is no loss.
    """
    series = _curves_of(curves, "loss")
    if not series:
        return None
    seen = [v for each in series for v in each.y if v is not None and v > 0]
    log = bool(seen) and min(seen) > 0 and max(seen) > 20 * min(seen)
    last = "; ".join(f"{each.name} ends at {each.y[-1]:.4g}" for each in series if each.y[-1] is not None)
    picture = chart(
        series,
        title="Loss over the epochs",
        description=f"{curves['n_epochs']} epochs; {last}",
        x_label="epoch",
        y_label="loss, logarithmic" if log else "loss",
        log_y=log,
    )
    return picture, series


def score_chart(curves: Mapping[str, Any]) -> tuple[Markup, list[Series]] | None:
    """Draw the score on the rows kept aside for validation.

    Parameters
    ----------
    curves : mapping of str to object
        The part ``curves`` of a report.

    Returns
    -------
    picture : tuple of Markup and list of Series, or None
        The picture and what is in it; None where nothing was validated.
    """
    series = _curves_of(curves, "score")
    if not series:
        return None
    picture = chart(
        series,
        title="Score over the epochs",
        description="; ".join(f"{s.name} ends at {s.y[-1]:.4g}" for s in series if s.y[-1] is not None),
        x_label="epoch",
        y_label="score",
    )
    return picture, series


def truth_chart(residuals: Mapping[str, Any], target: str) -> tuple[Markup, list[Series]]:
    """Draw predictions against the true values.

    Parameters
    ----------
    residuals : mapping of str to object
        The part ``residuals`` of a report.
    target : str
        What is predicted.

    Returns
    -------
    picture : tuple of Markup and list of Series
        The picture and what is in it.
    """
    both = [*residuals["targets"], *residuals["predictions"]]
    ends = [min(both), max(both)]
    series = [
        Series("exact", ends, ends, slot=-1),
        Series("rows", residuals["targets"], residuals["predictions"], kind="points"),
    ]
    picture = chart(
        series,
        title=f"Predicted {target[:60]} against true",
        description=f"{len(residuals['targets'])} rows; the line is where both are the same",
        x_label="true",
        y_label="predicted",
    )
    return picture, series


def roc_chart(curves: Sequence[Mapping[str, Any]]) -> tuple[Markup, list[Series]]:
    """Draw the ROC curves, each class against the rest.

    Parameters
    ----------
    curves : sequence of mapping
        The part ``ranking`` of a report; at most six are drawn, those with the smallest area.

    Returns
    -------
    picture : tuple of Markup and list of Series
        The picture and what is in it.
    """
    chosen = sorted(curves, key=lambda curve: curve["roc_auc"])[:MAX_CURVES]
    series = [Series("guessing", [0.0, 1.0], [0.0, 1.0], slot=-1)]
    for slot, curve in enumerate(chosen):
        name = f"{label_text(curve['label'])[:30]} ({curve['roc_auc']:.3f})"
        series.append(Series(name, curve["false_positive_rate"], curve["true_positive_rate"], slot=slot))
    picture = chart(
        series,
        title="ROC curves",
        description="area under the curve: " + "; ".join(each.name for each in series[1:]),
        x_label="false positive rate",
        y_label="true positive rate",
        x_range=(-0.02, 1.02),
        y_range=(-0.02, 1.02),
    )
    return picture, series


def precision_chart(curves: Sequence[Mapping[str, Any]]) -> tuple[Markup, list[Series]]:
    """Draw precision against recall, each class against the rest.

    Parameters
    ----------
    curves : sequence of mapping
        The part ``ranking`` of a report; at most six are drawn, those with the smallest average precision.

    Returns
    -------
    picture : tuple of Markup and list of Series
        The picture and what is in it.
    """
    chosen = sorted(curves, key=lambda curve: curve["average_precision"])[:MAX_CURVES]
    series = []
    for slot, curve in enumerate(chosen):
        name = f"{label_text(curve['label'])[:30]} ({curve['average_precision']:.3f})"
        series.append(Series(name, curve["recall"], curve["precision"], slot=slot))
    picture = chart(
        series,
        title="Precision against recall",
        description="average precision: " + "; ".join(each.name for each in series),
        x_label="recall",
        y_label="precision",
        x_range=(-0.02, 1.02),
        y_range=(-0.02, 1.02),
    )
    return picture, series


def residual_chart(residuals: Mapping[str, Any]) -> tuple[Markup, list[Series]]:
    """Draw what is left over against the predictions.

    Parameters
    ----------
    residuals : mapping of str to object
        The part ``residuals`` of a report.

    Returns
    -------
    picture : tuple of Markup and list of Series
        The picture and what is in it.
    """
    predictions = residuals["predictions"]
    left = [t - p for t, p in zip(residuals["targets"], predictions, strict=True)]
    series = [
        Series("zero", [min(predictions), max(predictions)], [0.0, 0.0], slot=-1),
        Series("rows", predictions, left, kind="points"),
    ]
    picture = chart(
        series,
        title="Residuals against predictions",
        description=f"true minus predicted; mean {residuals['mean']:.4g}, standard deviation {residuals['std']:.4g}",
        x_label="predicted",
        y_label="true − predicted",
    )
    return picture, series


def worst_groups(groups: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the groups that are furthest behind the rest, the furthest first; at most eight.

    Parameters
    ----------
    groups : sequence of mapping
        The part ``groups`` of a report.

    Returns
    -------
    worst : list of mapping
        Those worse than the rest.
    """

    def behind(group: Mapping[str, Any]) -> float:
        distance = float(group["rest"]) - float(group["value"])
        return distance if group["figure"] == "accuracy" else -distance

    known = [group for group in groups if group["rest"] is not None and group["value"] is not None]
    return sorted((group for group in known if behind(group) > 0), key=behind, reverse=True)[:8]
