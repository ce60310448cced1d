"""Values that are not finite."""

from strata.diagnosis._judges._common import fault
from strata.diagnosis.evidence import Evidence
from strata.diagnosis.thresholds import Thresholds
from strata.diagnosis.verdicts import Verdict

__all__ = ["non_finite_values"]


def non_finite_values(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Say where NaN or infinity first appeared."""
    broken, data = evidence.non_finite, evidence.data
    given = 0 if data is None else data.non_finite_inputs
    if broken is None and not given:
        return None
    in_data = bool(given) or (broken is not None and broken.where in ("inputs", "targets"))
    if broken is None:
        sentence = f"{given} input values are NaN or infinite."
    else:
        sentence = f"{broken.value} first appeared in {broken.where}, at epoch {broken.epoch}, step {broken.step}."
    rate = evidence.settings.learning_rate
    arisen = {} if rate is None else {"learning_rate_init": rate / 10, "grad_clip": 1.0}
    return fault(
        "non_finite_values",
        sentence,
        confidence=1.0,
        explains=1.0 if in_data else limits.number("non_finite_values.arisen"),
        evidence={
            "where": "inputs" if broken is None else broken.where,
            "epoch": 0 if broken is None else broken.epoch,
            "step": 0 if broken is None else broken.step,
            "non_finite_inputs": given,
        },
        changes={} if in_data else arisen,
        actions={"drop_non_finite_rows": True} if in_data else {},
    )
