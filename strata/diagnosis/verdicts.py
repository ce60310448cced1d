"""What a diagnosis says: one verdict, with its evidence, cause and cure."""

from dataclasses import dataclass, field
from typing import Any

from strata.diagnosis.catalogue import CATALOGUE

__all__ = ["Verdict"]


@dataclass(frozen=True)
class Verdict:
    """One fault, or the finding that there is none.

    Parameters
    ----------
    name : str
        A name of :data:`strata.diagnosis.CATALOGUE`.
    sentence : str
        What was seen, in one plain sentence with its numbers.
    evidence : dict of str to object
        The same numbers by name, plain values.
    cause : str
        Why this hurts learning.
    cure : str
        What to do.
    confidence : float
        In [0, 1].
    explained_loss : float
        Share of what the network misses that this fault may account for, in [0, 1]; the order of the verdicts.
    changes : dict of str to object, default={}
        Parameters of the estimator to change, as ``set_params`` takes them.
    actions : dict of str to object, default={}
        What to do to the data: names of :data:`strata.diagnosis.treatment.ACTIONS` with their argument.
    explained_by : tuple of str, default=()
        Verdicts of the same diagnosis that this one follows from.
    proven : bool or None, default=None
        Whether the cure, tried alone, helped beyond the spread over seeds; None where it was not tried.
    """

    name: str
    sentence: str
    evidence: dict[str, Any]
    cause: str
    cure: str
    confidence: float
    explained_loss: float
    changes: dict[str, Any] = field(default_factory=dict)
    actions: dict[str, Any] = field(default_factory=dict)
    explained_by: tuple[str, ...] = ()
    proven: bool | None = None

    @property
    def title(self) -> str:
        """The name in words."""
        return CATALOGUE[self.name].title

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "sentence": self.sentence,
            "evidence": dict(self.evidence),
            "cause": self.cause,
            "cure": self.cure,
            "confidence": round(self.confidence, 4),
            "explained_loss": round(self.explained_loss, 4),
            "changes": {name: _plain(value) for name, value in self.changes.items()},
            "actions": {name: _plain(value) for name, value in self.actions.items()},
            "explained_by": list(self.explained_by),
            "proven": self.proven,
        }

    def __str__(self) -> str:
        """Return sentences for people."""
        proven = {None: "", True: ", proven", False: ", its cure did not help beyond the spread"}[self.proven]
        return (
            f"{self.title} (confidence {self.confidence:.0%}{proven})\n"
            f"  Seen: {self.sentence}\n  Cause: {self.cause}\n  Cure: {self.cure}"
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
