"""Why does my network not learn? Evidence, verdicts in the order of what they explain, and cures that are proven."""

from strata.diagnosis.catalogue import CATALOGUE, CatalogueEntry
from strata.diagnosis.diagnosing import diagnose, from_evidence
from strata.diagnosis.evidence import Evidence
from strata.diagnosis.gather import evidence_of
from strata.diagnosis.judging import judge
from strata.diagnosis.prove import Proof, Trial
from strata.diagnosis.recorder import Recorder
from strata.diagnosis.result import Diagnosis
from strata.diagnosis.thresholds import load_thresholds
from strata.diagnosis.verdicts import Verdict

__all__ = [
    "CATALOGUE",
    "CatalogueEntry",
    "Diagnosis",
    "Evidence",
    "Proof",
    "Recorder",
    "Trial",
    "Verdict",
    "diagnose",
    "evidence_of",
    "from_evidence",
    "judge",
    "load_thresholds",
]
