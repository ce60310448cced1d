"""The report of a training without a target: how rows come back, where their codes lie, what the codes mean."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.decomposition import PCA

from strata._names import label_text
from strata.estimators import TableAutoencoder
from strata.report.code_scoring import CodeScore, compare_codes, interval_of
from strata.report.image_looking import data_address
from strata.report.planning import plain_parameters
from strata.report.reproducing import shell_command
from strata.report.run_folder import environment
from strata.report.sections import curves
from strata.report.wording import best_baseline, compared, figure_text

if TYPE_CHECKING:
    from strata.report.code_training import CodeResult

__all__ = ["build_code_document"]

#: Rows and pictures that are shown.
N_SHOWN, N_WORST, N_SCATTERED, N_COLUMNS, N_UNITS, N_STEPS = 12, 12, 1_500, 60, 8, 9
MAX_LABELS = 12
#: Sides that small pictures are brought to on the page, in whole steps.
SHOWN_SIDE = 64
_OF_THE_RUN = ("callbacks", "checkpoint", "progress", "resume", "verbose")


def build_code_document(result: CodeResult, *, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Gather everything that is known of a finished training without a target.

    Parameters
    ----------
    result : CodeResult
        The training.
    config : mapping of str to object, optional
        What ``config.json`` of the run holds.

    Returns
    -------
    document : dict of str to object
        Plain values, and ``images``: what the page shows, as addresses that hold their data.
    """
    known, parts = dict(config or {}), result.parts
    document = result.to_dict()
    document["environment"] = environment(("pillow",) if result.plan.problem.is_pictures else ())
    document["started"] = known.get("started")
    configuration = plain_parameters(result.network.get_params(deep=False))
    document["model"]["configuration"] = {k: v for k, v in configuration.items() if k not in _OF_THE_RUN}
    document["settings"] = {name: known.get(name) for name in ("device", "n_threads", "deterministic")}
    document["settings"] |= known.get("report") or {}
    document["reproduce"] = {"shell": shell_command(known.get("options") or {}), "python": known.get("call")}
    images: dict[str, str] = {}
    document["scores"] = _scores(result)
    document["headline"] = _headline(document)
    document["title"] = label_text(f"{result.plan.problem.name}: codes of {result.network.n_components_} numbers")
    parts.add("curves", lambda: curves(result.network))
    parts.add("reconstructions", partial(_reconstructions, result, images), saying="looking at reconstructions")
    parts.add("codes", partial(_codes, result))
    parts.add("traversals", partial(_traversals, result, images))
    document |= parts.content
    document["parts"] = parts.status
    return document | {"images": images}


def _scores(result: CodeResult) -> dict[str, Any]:
    """Return the figures of all methods on the same rows, with intervals."""
    ours = result.evaluation
    rows = [_score_row(ours, is_model=True)]
    for other in result.baselines:
        rows.append(_score_row(other) | {"difference": compare_codes(ours, other)})
    return {"figure": "variance_kept", "rows": rows}


def _score_row(score: CodeScore, *, is_model: bool = False) -> dict[str, Any]:
    return {
        "name": score.name,
        "is_model": is_model,
        "note": score.note,
        "metrics": score.metrics,
        "seconds": score.seconds,
        "intervals": {"variance_kept": list(interval_of(score))},
    }


def _headline(document: Mapping[str, Any]) -> dict[str, str]:
    """Say in plain words what was learned, and how it compares."""
    ours, *others = document["scores"]["rows"]
    value, figure = ours["metrics"]["variance_kept"], "variance_kept"
    things = "pictures" if document["data"].get("kind") == "pictures" else "rows"
    held = "" if document["split"]["kind"] == "none" else "held-out "
    numbers = f"{document['data']['n_columns']:,} {'pixels' if things == 'pictures' else 'columns'}"
    text = (
        f"A network puts {numbers} into codes of {document['result']['n_components']} numbers, from which it gives "
        f"{figure_text(figure, value)} of the variance of {document['result']['n_rows']:,} {held}{things} back."
    )
    best = best_baseline(others, figure)
    if best is None:
        return {"text": f"{text} It was not compared with principal components.", "tone": "alone"}
    words, tone = compared(figure, value, best)
    return {"text": f"{text} {words}", "tone": tone}


# -- reconstructions ---------------------------------------------------------------------------------------


def _reconstructions(result: CodeResult, images: dict[str, str]) -> dict[str, Any]:
    """Return rows beside what came back, some as they come and the worst; of a table the columns."""
    X, errors = result.plan.test_rows, result.evaluation.errors
    worst = np.argsort(-errors, kind="stable")[:N_WORST]
    found: dict[str, Any] = {"quantiles": _quantiles(errors / result.evaluation.n_numbers)}
    if result.plan.problem.is_pictures:
        typical = np.unique(np.linspace(0, len(X) - 1, min(N_SHOWN, len(X))).round().astype(int))
        for kind, rows in (("typical", typical), ("worst", worst)):
            made = result.network.reconstruct(X[rows])
            shown = []
            for place, (row, back) in enumerate(zip(rows.tolist(), made, strict=True)):
                keys = f"{kind}-{place}", f"{kind}-{place}-back"
                images[keys[0]], images[keys[1]] = data_address(_shown(X[row])), data_address(_shown(back))
                error = float(errors[row] / result.evaluation.n_numbers)
                shown.append({"row": _row_number(result, row), "image": keys[0], "back": keys[1], "mse": error})
            found[kind] = shown
        return found
    found["columns"] = _column_shares(result)
    found["worst_rows"] = [
        {"row": _row_number(result, int(row)), "mse": float(errors[row] / result.evaluation.n_numbers)} for row in worst
    ]
    return found


def _row_number(result: CodeResult, row: int) -> int:
    return row if result.plan.test is None else int(result.plan.test[row])


def _quantiles(values: np.ndarray) -> dict[str, float]:
    return {str(level): float(np.quantile(values, level)) for level in (0.05, 0.25, 0.5, 0.75, 0.95)}


def _column_shares(result: CodeResult) -> list[dict[str, Any]]:
    """Return how much of the variance of each encoded column comes back, least first."""
    estimator = result.estimator
    rows, train = estimator._encoded(result.plan.test_rows), estimator._encoded(result.plan.train_rows)
    made = result.network.reconstruct(rows)
    lost = np.square(rows - made).sum(axis=0)
    whole = np.square(rows - train.mean(axis=0)).sum(axis=0)
    names = estimator.encoder_.get_feature_names_out()
    shares = 1.0 - lost / np.where(whole > 0, whole, 1.0)
    order = np.argsort(shares, kind="stable")
    return [
        {"name": label_text(str(names[j])), "kept": float(shares[j]) if whole[j] > 0 else None} for j in order.tolist()
    ]


def _shown(picture: np.ndarray) -> np.ndarray:
    """Return a picture as red, green and blue bytes, enlarged by a whole factor where it is small."""
    pixels = picture if picture.dtype == np.uint8 else np.clip(np.rint(255 * picture), 0, 255).astype(np.uint8)
    pixels = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3]
    factor = max(1, SHOWN_SIDE // max(pixels.shape[:2]))
    return np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1)


# -- codes ---------------------------------------------------------------------------------------------------


def _codes(result: CodeResult) -> dict[str, Any]:
    """Return where the codes of held-out rows lie in a plane, and how much each unit is used."""
    codes = np.asarray(result.estimator.transform(result.plan.test_rows), dtype=np.float64)
    spread = codes.std(axis=0)
    found: dict[str, Any] = {
        "n_units": codes.shape[1],
        "spread": spread.tolist(),
        "n_idle": int((spread < 1e-3 * max(spread.max(), 1e-12)).sum()),
        "plane": "units",
    }
    flat = codes
    if codes.shape[1] > 2:
        axes = PCA(2, random_state=0).fit(codes)
        flat = axes.transform(codes)
        found |= {"plane": "components", "explained": [float(share) for share in axes.explained_variance_ratio_]}
    elif codes.shape[1] == 1:
        flat = np.column_stack([codes[:, 0], result.evaluation.errors / result.evaluation.n_numbers])
        found["plane"] = "error"
    rows = np.unique(np.linspace(0, len(flat) - 1, min(len(flat), N_SCATTERED)).round().astype(int))
    groups = _groups(result, rows)
    found["points"] = [
        {"label": name, "x": flat[rows[mine], 0].tolist(), "y": flat[rows[mine], 1].tolist()} for name, mine in groups
    ]
    found |= {"n_shown": len(rows), "target": result.plan.problem.target}
    return found


def _groups(result: CodeResult, rows: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return the rows of each label, the most frequent labels first; one group where nobody knows."""
    labels = result.plan.labels_test
    if labels is None:
        return [("rows", np.arange(len(rows)))]
    words = np.array([label_text(str(value)) for value in np.asarray(labels)[rows].tolist()])
    names, counts = np.unique(words, return_counts=True)
    if len(names) > MAX_LABELS and np.asarray(labels).dtype.kind == "f":
        return [("rows", np.arange(len(rows)))]
    kept = sorted(names[np.argsort(-counts, kind="stable")[:MAX_LABELS]].tolist())
    groups = [(name, np.flatnonzero(words == name)) for name in kept]
    rest = np.flatnonzero(~np.isin(words, kept))
    return [*groups, ("others", rest)] if len(rest) else groups


# -- traversals -------------------------------------------------------------------------------------------------


def _traversals(result: CodeResult, images: dict[str, str]) -> list[dict[str, Any]]:
    """Return what becomes of a typical code while one unit goes from its low to its high values."""
    codes = np.asarray(result.estimator.transform(result.plan.test_rows), dtype=np.float64)
    centre = np.median(codes, axis=0)
    units = np.argsort(-codes.std(axis=0), kind="stable")[:N_UNITS]
    found = []
    for unit in units.tolist():
        low, high = np.quantile(codes[:, unit], [0.02, 0.98])
        if not high > low:
            continue
        walk = np.repeat(centre[np.newaxis], N_STEPS, axis=0)
        walk[:, unit] = np.linspace(low, high, N_STEPS)
        made = result.network.inverse_transform(walk)
        entry: dict[str, Any] = {"unit": unit, "values": walk[:, unit].tolist()}
        if result.plan.problem.is_pictures:
            entry["images"] = [f"walk-{unit}-{step}" for step in range(N_STEPS)]
            for key, picture in zip(entry["images"], made, strict=True):
                images[key] = data_address(_shown(picture))
        else:
            entry["columns"] = _moved(result.estimator, made)
        found.append(entry)
    return found


def _moved(estimator: TableAutoencoder, made: np.ndarray) -> list[dict[str, Any]]:
    """Return the encoded columns that a unit moves most, with their values at both ends."""
    names = estimator.encoder_.get_feature_names_out()
    change = made[-1] - made[0]
    order = np.argsort(-np.abs(change), kind="stable")[:6]
    return [
        {
            "name": label_text(str(names[j])),
            "low": float(made[0, j]),
            "high": float(made[-1, j]),
            "change": float(change[j]),
        }
        for j in order.tolist()
    ]
