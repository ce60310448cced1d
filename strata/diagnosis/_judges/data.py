"""Faults of the rows and columns."""

import math
from collections.abc import Sequence

from strata.diagnosis._figures import chance_margin, shortfall
from strata.diagnosis._judges._common import fault, number
from strata.diagnosis.evidence import DataEvidence, Evidence
from strata.diagnosis.thresholds import Thresholds
from strata.diagnosis.verdicts import Verdict

__all__ = [
    "bad_data_order",
    "class_imbalance",
    "inputs_not_scaled",
    "labels_constant",
    "labels_shifted",
    "labels_shuffled",
    "leakage_between_splits",
    "leakage_from_a_column",
]


def _scales(means: Sequence[float], stds: Sequence[float]) -> dict[str, float]:
    """Return how far from standardised the varying columns are."""
    pairs = [(abs(m), s) for m, s in zip(means, stds, strict=True) if math.isfinite(m) and s > 1e-9 * max(1.0, abs(m))]
    if not pairs:
        return {"offset": 0.0, "largest_offset": 0.0, "largest": 1.0, "typical": 1.0, "spread": 1.0}
    offsets, stds = sorted(m / s for m, s in pairs), sorted(s for _, s in pairs)
    typical = stds[len(stds) // 2]
    return {
        "offset": offsets[len(offsets) // 2],
        "largest_offset": offsets[-1],
        "largest": stds[-1],
        "typical": typical,
        "spread": stds[-1] / typical,
    }


def inputs_not_scaled(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Compare location and spread of the columns with what the first weights are made for."""
    data = evidence.data
    if data is None or evidence.settings.scale_inputs:
        return None
    found = _scales(data.input_means, data.input_stds)
    signs = {
        "offset": limits.ramp("inputs_not_scaled.offset", found["offset"]),
        "largest_offset": limits.ramp("inputs_not_scaled.largest_offset", found["largest_offset"], log=True),
        "largest": limits.ramp("inputs_not_scaled.large", found["largest"], log=True),
        "typical": limits.ramp("inputs_not_scaled.small", found["typical"], log=True),
        "spread": limits.ramp("inputs_not_scaled.spread", found["spread"], log=True),
    }
    missed = shortfall(evidence, limits)
    worst = max(signs, key=lambda name: signs[name])
    extreme = max(signs["largest"], signs["spread"])
    harm = max(limits.ramp("general.shortfall", missed.share), extreme * limits.ramp("general.slight", missed.share))
    words = {
        "offset": f"the typical column has a mean {number(found['offset'])} standard deviations from 0",
        "largest_offset": f"one column has a mean {number(found['largest_offset'])} standard deviations from 0",
        "largest": f"the widest column has a standard deviation of {number(found['largest'])}",
        "typical": f"the typical column has a standard deviation of {number(found['typical'])}",
        "spread": f"the widest column's standard deviation is {number(found['spread'])} times the typical one",
    }
    return fault(
        "inputs_not_scaled",
        f"{words[worst][0].upper()}{words[worst][1:]} (deviations: typical "
        f"{number(found['typical'])}, largest {number(found['largest'])}), and {_missing(missed.gap, missed.peer)}.",
        confidence=min(signs[worst], harm),
        explains=missed.share,
        evidence={**found, "score_missed": missed.gap},
        changes={"scale_inputs": True},
        actions={"standardize_inputs": True},
    )


def _missing(gap: float, peer: str | None) -> str:
    if peer is None:
        return "the network has not learned more than the prior"
    if not math.isfinite(gap):
        return f"the network has no score, unlike {peer}"
    return f"the network scores {number(gap)} below {peer}"


def _counts(data: DataEvidence) -> list[int]:
    return [count for count in data.class_counts if count > 0]


def _largest_share(data: DataEvidence) -> float:
    """Return the share of the commonest class; 1 for numbers that do not vary."""
    counts = _counts(data)
    if counts:
        return max(counts) / sum(counts)
    return 1.0 if data.target_std == 0 else 0.0


def labels_constant(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for a target that does not vary."""
    data = evidence.data
    if data is None:
        return None
    if evidence.settings.task == "classification":
        counts = _counts(data)
        if not counts:
            return None
        share = max(counts) / sum(counts)
        confidence = min(
            limits.ramp("labels_constant.share", share),
            limits.ramp("labels_constant.others", float(sum(counts) - max(counts))),
        )
        sentence = f"{share:.2%} of the {sum(counts)} training rows have the same class."
    else:
        if data.target_std is None or data.target_mean is None:
            return None
        share = data.target_std / max(abs(data.target_mean), 1e-12) if data.target_std > 0 else 0.0
        confidence = 1.0 if data.target_std <= 1e-9 * max(1.0, abs(data.target_mean)) else 0.0
        sentence = f"The target's standard deviation is {number(data.target_std)} around {number(data.target_mean)}."
    return fault("labels_constant", sentence, confidence=confidence, explains=1.0, evidence={"largest_share": share})


def labels_shifted(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Compare how well inputs predict their own target and that of rows nearby."""
    data = evidence.data
    if data is None or data.label_signal is None or not data.shifted_signal:
        return None
    shift, signal = max(data.shifted_signal, key=lambda pair: pair[1])
    lead = signal - max(data.label_signal, 0.0)
    confidence = min(
        limits.ramp("labels_shifted.signal", signal),
        limits.ramp("labels_shifted.lead", lead / max(signal, 1e-9)),
        1.0 - limits.ramp("labels_shifted.order", None if data.order is None else abs(data.order)),
    )
    return fault(
        "labels_shifted",
        f"Targets taken {abs(shift)} row(s) {'later' if shift > 0 else 'earlier'} fit the inputs {number(signal)} "
        f"deviations better than chance, those of the same row {number(data.label_signal)}.",
        confidence=confidence,
        explains=1.0,
        evidence={"shift": shift, "shifted_signal": signal, "label_signal": data.label_signal},
        actions={"shift_targets": shift},
    )


def labels_shuffled(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for inputs that say nothing about the target, to any simple model."""
    data, seen = evidence.data, evidence.output
    if data is None or data.label_signal is None or data.n_rows < limits.number("labels_shuffled.rows"):
        return None
    if _largest_share(data) > limits.number("labels_shuffled.largest_share"):
        return None
    confidence = limits.ramp("labels_shuffled.signal", data.label_signal)
    if data.shifted_signal:
        strongest = max(signal for _, signal in data.shifted_signal)
        confidence = min(confidence, 1.0 - limits.ramp("labels_shifted.signal", strongest))
    if seen is not None:
        scores = (seen.val_score, seen.linear_score, seen.neighbours_score, seen.trees_score)
        best = max((score for score in scores if score is not None and math.isfinite(score)), default=-math.inf)
        margin = chance_margin(seen.baseline_score, seen.val_rows, task=evidence.settings.task, limits=limits)
        if best > seen.baseline_score + margin:
            return None
    return fault(
        "labels_shuffled",
        f"The best simple model is {number(data.label_signal)} deviations above what shuffled targets give.",
        confidence=confidence,
        explains=1.0,
        evidence={"label_signal": data.label_signal, "rows": data.n_rows},
    )


def class_imbalance(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for a rare class that is missed."""
    data, seen = evidence.data, evidence.output
    if data is None or seen is None or evidence.settings.task != "classification" or evidence.settings.class_weight:
        return None
    counts = _counts(data)
    if len(counts) < 2 or len(seen.class_recalls) != len(counts):
        return None
    rare = min(range(len(counts)), key=lambda place: counts[place])
    expected = sum(counts) / len(counts)
    recall = seen.class_recalls[rare]
    if not math.isfinite(recall):
        return None
    confidence = min(
        limits.ramp("class_imbalance.share", counts[rare] / expected),
        limits.ramp("class_imbalance.recall", recall),
    )
    return fault(
        "class_imbalance",
        f"The rarest of {len(counts)} classes has {counts[rare]} of {sum(counts)} rows, and {recall:.0%} of its "
        "held-out rows are found.",
        confidence=confidence,
        explains=1.0 - recall,
        evidence={"rarest": counts[rare], "rows": sum(counts), "recall": recall},
        changes={"class_weight": "balanced"},
    )


def leakage_between_splits(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Count held-out rows that were trained on."""
    data, seen = evidence.data, evidence.output
    if data is None or seen is None or seen.val_rows <= 0:
        return None
    share = data.duplicates_across / seen.val_rows
    return fault(
        "leakage_between_splits",
        f"{data.duplicates_across} of {seen.val_rows} held-out rows are also among the training rows.",
        confidence=limits.ramp("leakage_between_splits.share", share),
        explains=min(1.0, 0.5 + share / 2),
        evidence={"duplicates": data.duplicates_across, "share": share},
        actions={"drop_duplicates": True},
    )


def leakage_from_a_column(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for a column that predicts the target alone."""
    data = evidence.data
    if data is None or not data.leaking_columns:
        return None
    names = [name for name, _ in data.leaking_columns]
    name, score = max(data.leaking_columns, key=lambda pair: pair[1])
    blind = max(_largest_share(data) if evidence.settings.task == "classification" else 0.0, 0.0)
    lift = (score - blind) / (1.0 - blind) if blind < 1.0 else 0.0
    return fault(
        "leakage_from_a_column",
        f"The column {name!r} alone predicts the target with a score of {number(score)} on held-out rows.",
        confidence=limits.ramp("leakage_from_a_column.score", lift),
        explains=1.0,
        evidence={"column": name, "score": score, "columns": names},
        actions={"drop_columns": names},
        cure=f"Leave out the column {name!r}.",
    )


def bad_data_order(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for sorted rows that nobody shuffles."""
    data = evidence.data
    if data is None or data.order is None or evidence.settings.shuffle is not False:
        return None
    batch = evidence.settings.batch_size
    if batch is not None and batch >= data.n_rows:
        return None
    missed = shortfall(evidence, limits)
    return fault(
        "bad_data_order",
        f"The targets of successive rows correlate by {number(data.order)}, and the rows are not shuffled.",
        confidence=limits.ramp("bad_data_order.order", abs(data.order))
        * max(limits.number("bad_data_order.unharmed"), limits.ramp("general.shortfall", missed.share)),
        explains=max(missed.share, limits.number("bad_data_order.unharmed")),
        evidence={"order": data.order, "score_missed": missed.gap},
        changes={"shuffle": True},
    )
