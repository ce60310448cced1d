"""How a judge writes its verdict."""

import math
from collections.abc import Mapping
from typing import Any

from strata.diagnosis.catalogue import CATALOGUE
from strata.diagnosis.verdicts import Verdict

__all__ = ["any_of", "fault", "number"]


def any_of(*certainties: float) -> float:
    """Return the certainty of several independent signs together: 1 - (1 - a)(1 - b)...

    Parameters
    ----------
    *certainties : float
        Each in [0, 1].

    Returns
    -------
    certainty : float
        At least the largest of them.

    Examples
    --------
    >>> any_of(0.5, 0.5)
    0.75
    """
    return 1.0 - math.prod(1.0 - each for each in certainties)


def number(value: float) -> str:
    """Return a number as people read it.

    Parameters
    ----------
    value : float
        Any number.

    Returns
    -------
    text : str
        Three significant digits.

    Examples
    --------
    >>> number(0.28867), number(12345.6)
    ('0.289', '1.23e+04')
    """
    return f"{value:.3g}"


def fault(
    name: str,
    sentence: str,
    *,
    confidence: float,
    explains: float,
    evidence: Mapping[str, Any],
    changes: Mapping[str, Any] | None = None,
    actions: Mapping[str, Any] | None = None,
    cause: str | None = None,
    cure: str | None = None,
) -> Verdict | None:
    """Return a verdict in the words of the catalogue; None without any confidence.

    Parameters
    ----------
    name : str
        A name of the catalogue.
    sentence : str
        What was seen.
    confidence : float
        In [0, 1].
    explains : float
        Share of what is missed that the fault would account for if it is one, in [0, 1].
    evidence : mapping of str to object
        Numbers by name.
    changes : mapping of str to object, optional
        Parameters that cure it.
    actions : mapping of str to object, optional
        What to do to the data.
    cause : str, optional
        Instead of the catalogue's.
    cure : str, optional
        Instead of the catalogue's.

    Returns
    -------
    verdict : Verdict or None
        With figures that are not finite left out of its evidence.
    """
    if not confidence > 0:
        return None
    entry = CATALOGUE[name]
    finite = {key: value for key, value in evidence.items() if not isinstance(value, float) or math.isfinite(value)}
    confidence, explains = float(confidence), float(explains)
    return Verdict(
        name=name,
        sentence=sentence,
        evidence={key: round(float(value), 6) if isinstance(value, float) else value for key, value in finite.items()},
        cause=cause or entry.cause,
        cure=cure or entry.cure,
        confidence=min(1.0, confidence),
        explained_loss=min(1.0, max(0.0, explains)) * min(1.0, confidence),
        changes=dict(changes or {}),
        actions=dict(actions or {}),
    )
