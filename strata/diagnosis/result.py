"""What a diagnosis is: verdicts in order, the evidence behind them, and the proof if one was asked for."""

import textwrap
from dataclasses import dataclass
from typing import Any

from strata._files import _plain
from strata.diagnosis.evidence import Evidence
from strata.diagnosis.prove import Proof
from strata.diagnosis.treatment import treated_estimator
from strata.diagnosis.verdicts import Verdict

__all__ = ["Diagnosis"]

SCHEMA = "strata.diagnosis/1"


@dataclass(frozen=True)
class Diagnosis:
    """Why a network does not learn, or that it does.

    Parameters
    ----------
    verdicts : tuple of Verdict
        At most three, the one that explains most first; "healthy" alone when there is nothing to say.
    others : tuple of Verdict
        What else was found: symptoms, and faults that matter less.
    evidence : Evidence
        Everything that was measured.
    proof : Proof or None, default=None
        What each cure and its rivals did to the held-out score.
    """

    verdicts: tuple[Verdict, ...]
    others: tuple[Verdict, ...]
    evidence: Evidence
    proof: Proof | None = None

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return self.verdicts[0].name == "healthy"

    @property
    def changes(self) -> dict[str, Any]:
        """Parameters that cure: those of the best trial of the proof, else of the first verdict."""
        return dict(self._cure()[0])

    @property
    def actions(self) -> dict[str, Any]:
        """What to do to the data, as for :attr:`changes`."""
        return dict(self._cure()[1])

    def _cure(self) -> tuple[dict[str, Any], dict[str, Any]]:
        if self.proof is not None:
            best = self.proof.best
            if best is None:
                return {}, {}
            return {**self.proof.room, **best.change.changes}, dict(best.change.actions)
        first = self.verdicts[0]
        return first.changes, first.actions

    def fix(self, estimator: Any, *, X: Any = None) -> Any:
        """Return an unfitted copy of an estimator with the cure applied.

        Parameters
        ----------
        estimator : estimator
            The one that was diagnosed.
        X : array or DataFrame, optional
            Inputs, where a column is to be left out by its name.

        Returns
        -------
        cured : estimator
            The same class, or a pipeline that ends with it. Cures of rows (shifted targets, duplicates) are not in it.
        """
        return treated_estimator(estimator, self.changes, self.actions, X=X)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON; figures that are not finite become None there."""
        return {
            "schema": SCHEMA,
            "healthy": self.healthy,
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
            "others": [verdict.to_dict() for verdict in self.others],
            "changes": {name: list(v) if isinstance(v, tuple) else v for name, v in self.changes.items()},
            "actions": self.actions,
            "proof": None if self.proof is None else self.proof.to_dict(),
            "evidence": _plain(self.evidence.to_dict()),
        }

    def __str__(self) -> str:
        """Return plain sentences for people."""
        parts = []
        for place, verdict in enumerate(self.verdicts, start=1):
            head, *rest = str(verdict).split("\n")
            lines = [f"{place}. {head}" if len(self.verdicts) > 1 else head]
            lines += [
                textwrap.fill(line.strip(), 100, initial_indent="   ", subsequent_indent="      ") for line in rest
            ]
            parts.append("\n".join(lines))
        if self.others:
            parts.append("Also seen: " + "; ".join(_brief(verdict) for verdict in self.others) + ".")
        if self.proof is not None:
            parts.append(self.proof.to_text())
            best = self.proof.best
            parts.append("No change helped beyond the spread." if best is None else f"Best cure: {best.change.label}.")
        return "\n\n".join(parts)


def _brief(verdict: Verdict) -> str:
    text = verdict.title.lower()
    if verdict.explained_by:
        causes = " and ".join(name.replace("_", " ") for name in verdict.explained_by[:2])
        text += f" (explained by {causes})"
    return text
