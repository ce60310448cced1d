"""The runs of the fault bench: data sets, faulty and healthy configurations, and how they are checked."""

import json
from pathlib import Path

from faults.case import Case, in_half
from faults.faulty import estimator_faults
from faults.fresh import fresh_cases
from faults.healthy import healthy_estimators
from faults.modules import healthy_modules, module_faults

__all__ = ["DROPPED", "all_cases"]

#: Runs that the check left out, each with its scores: a fault that did no harm, or a net that was not healthy.
DROPPED = Path(__file__).with_name("dropped.json")


def all_cases(*, everything: bool = False) -> list[Case]:
    """Return every run that passed the check, with `everything` also the others, each in its half."""
    seen = estimator_faults() + module_faults() + healthy_estimators() + healthy_modules()
    cases = in_half("tune", seen) + in_half("report", fresh_cases())
    dropped = {} if everything or not DROPPED.exists() else json.loads(DROPPED.read_text())
    return [case for case in cases if case.name not in dropped]
