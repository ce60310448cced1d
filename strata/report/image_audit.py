"""What would spoil a training on pictures without any error: copies across the split, two labels, few of a class."""

from collections.abc import Sequence

import numpy as np

from strata._names import label_text
from strata.data import AuditReport, Finding
from strata.report.gallery import Gallery

__all__ = ["audit_pictures", "near_copies"]

#: Side of the small pictures among which copies are looked for, and of those that are compared once more.
COARSE, FINE = 8, 16
#: Two pictures are near copies when the difference is smaller than this share of the contrast of the first, and
#: smaller than this share of the difference from the tenth nearest: digits and clothes are all alike. Measured: all of
#: 1,000 copies of CIFAR-10 that were encoded again (30 dB) are found, and no other picture; 5 of its first 1,000 test
#: pictures have a twin among those to learn from, all true; of 1,500 test digits of MNIST none, of Fashion-MNIST 3.
SHARE, TENTH_SHARE, N_NEAR = 0.25, 0.35, 10
#: Multiplications of the comparison of all test pictures with all training pictures: seconds.
MAX_WORK = 120_000_000_000
BLOCK = 1024
RARE, IMBALANCE, N_EXAMPLES = 10, 10.0, 3


def audit_pictures(gallery: Gallery, train: Gallery, test: Gallery | None) -> AuditReport:
    """Look for what spoils the result of a training on pictures.

    Parameters
    ----------
    gallery : Gallery
        All pictures but those of a published test part.
    train : Gallery
        Those to learn from.
    test : Gallery or None
        Those to test on; None where these are the same.

    Returns
    -------
    report : AuditReport
        Errors first, then warnings, then notes.
    """
    findings = [*_refused(gallery), *_contradictions(gallery)]
    if test is not None:
        findings += _leakage(train, test)
    findings += [*_classes(gallery, train), *_duplicates(gallery)]
    order = {"error": 0, "warning": 1, "note": 2}
    height, width = gallery.thumbnails.shape[1:3]
    return AuditReport(len(gallery), height * width, tuple(sorted(findings, key=lambda each: order[each.level])))


def _refused(gallery: Gallery) -> list[Finding]:
    if not gallery.refused:
        return []
    n, total = len(gallery.refused), len(gallery.refused) + len(gallery) + len(gallery.test or ())
    text = f"Files that cannot be read and were left out: {n} of {total}; the report names them."
    return [Finding("warning", "damaged", text, count=n)]


def _groups(digests: Sequence[str]) -> list[list[int]]:
    """Return the numbers of pictures with the same content, for contents that occur more than once."""
    found: dict[str, list[int]] = {}
    for number, digest in enumerate(digests):
        found.setdefault(digest, []).append(number)
    return [rows for rows in found.values() if len(rows) > 1]


def _contradictions(gallery: Gallery) -> list[Finding]:
    labels = gallery.labels
    if labels is None:
        return []
    groups = [rows for rows in _groups(gallery.digests) if len(set(labels[rows].tolist())) > 1]
    if not groups:
        return []
    shown = "; ".join(", ".join(f"{gallery.names[row]}" for row in rows[:2]) for rows in groups[:N_EXAMPLES])
    n = sum(map(len, groups))
    text = f"{n} files are copies of each other with different labels, such as {shown}: one of the labels is wrong."
    return [Finding("warning", "contradictions", text, rows=tuple(groups[0][:5]), count=n)]


def _duplicates(gallery: Gallery) -> list[Finding]:
    groups = _groups(gallery.digests)
    if not groups:
        return []
    n = sum(len(rows) - 1 for rows in groups)
    names = " and ".join(gallery.names[row] for row in groups[0][:2])
    text = f"{n} of {len(gallery)} pictures are exact copies of others, such as {names}."
    return [Finding("note", "duplicates", text, rows=tuple(groups[0][:5]), count=n)]


def _leakage(train: Gallery, test: Gallery) -> list[Finding]:
    """Return what says how many test pictures are also learned from."""
    known = {digest: row for row, digest in enumerate(train.digests)}
    exact = [(row, known[digest]) for row, digest in enumerate(test.digests) if digest in known]
    near, n_compared = near_copies(test.thumbnails, train.thumbnails)
    pairs = {**dict(near), **dict(exact)}
    if not pairs:
        return []
    shown = "; ".join(f"{test.names[a]} and {train.names[b]}" for a, b in [*exact, *near][:N_EXAMPLES])
    share = len(pairs) / n_compared
    what = "is a copy or near copy of one" if len(pairs) == 1 else "are copies or near copies of some"
    text = (
        f"Leakage: of {n_compared} pictures to test on, {len(pairs)} ({100 * share:.2g} %) {what} to learn from "
        f"({len(exact)} exact), such as {shown}. The score on them says nothing about new pictures: keep copies on one "
        "side."
    )
    return [Finding("warning", "leakage", text, rows=tuple(sorted(pairs))[:5], count=len(pairs))]


def near_copies(some: np.ndarray, others: np.ndarray) -> tuple[list[tuple[int, int]], int]:
    """Find pictures that are almost the same as another: resized, encoded again, a little lighter.

    Parameters
    ----------
    some : ndarray of shape (n, s, s, 3), uint8
        Pictures for which a copy is looked for.
    others : ndarray of shape (m, s, s, 3), uint8
        Where it is looked for.

    Returns
    -------
    pairs : list of tuple of int
        A picture and its nearest one among the others, where the two are near copies.
    n_compared : int
        How many of ``some`` were looked at: all, unless the work exceeds 1.2e11 multiplications.

    Notes
    -----
    Both are averaged to 8 x 8 colours, less their own mean. The two are near copies when the length of the difference
    is below a quarter of the length of the first, there and at 16 x 16, and below 0.35 of the distance to the tenth
    nearest: among digits or clothes, where every picture has many that are alike, none is a copy for that.
    Pictures without contrast (a standard deviation below 4 of 255) are never taken for copies.

    Examples
    --------
    >>> random = np.random.RandomState(0)
    >>> pictures = random.randint(0, 256, (5, 16, 16, 3)).astype(np.uint8)
    >>> near_copies(pictures[3:4] // 2 * 2, pictures)
    ([(0, 3)], 1)
    """
    n_numbers = COARSE * COARSE * 3
    n_compared = int(min(len(some), max(1, MAX_WORK // (len(others) * n_numbers))))
    coarse = _centred(_averaged(others, COARSE))
    length = np.einsum("ij,ij->i", coarse, coarse)
    rank = min(N_NEAR, len(others)) - 1
    pairs: list[tuple[int, int]] = []
    for start in range(0, n_compared, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n_compared))
        block = _centred(_averaged(some[rows], COARSE))
        own = np.einsum("ij,ij->i", block, block)
        distance = own[:, None] + length[None, :] - 2.0 * block @ coarse.T
        nearest = distance.argmin(axis=1)
        least = distance[np.arange(len(rows)), nearest]
        close = np.flatnonzero((least < SHARE**2 * own) & (own > 16.0 * n_numbers))
        if not len(close):
            continue
        tenth = np.partition(distance[close], rank, axis=1)[:, rank]
        close = close[least[close] <= TENTH_SHARE**2 * tenth]
        pairs += _confirmed(some, others, rows[close], nearest[close])
    return pairs, n_compared


def _confirmed(some: np.ndarray, others: np.ndarray, a: np.ndarray, b: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs that are near copies at a finer look as well."""
    first, second = _centred(_averaged(some[a], FINE)), _centred(_averaged(others[b], FINE))
    share = np.linalg.norm(first - second, axis=1) / np.linalg.norm(first, axis=1)
    return [(int(i), int(j)) for i, j, each in zip(a, b, share, strict=True) if each < SHARE]


def _averaged(pictures: np.ndarray, side: int) -> np.ndarray:
    """Return pictures as the means of ``side`` x ``side`` fields, one row each."""
    n, height, width, _ = pictures.shape
    if n == 0:
        return np.empty((0, side * side * 3), dtype=np.float32)
    step = height // side, width // side
    cut = pictures[:, : side * step[0], : side * step[1]].reshape(n, side, step[0], side, step[1], 3)
    return np.asarray(cut.mean(axis=(2, 4), dtype=np.float32).reshape(n, -1))


def _centred(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows - rows.mean(axis=1, keepdims=True), dtype=np.float32)


def _classes(gallery: Gallery, train: Gallery) -> list[Finding]:
    """Return what is odd about the number of pictures of each class."""
    labels, counts = np.unique(np.asarray(gallery.labels), return_counts=True)
    findings = []
    rare = [(label_text(label), int(n)) for label, n in zip(labels, counts, strict=True) if n < RARE]
    if rare:
        shown = ", ".join(f"{name} ({n})" for name, n in rare[:5]) + (" and others" if len(rare) > 5 else "")
        text = f"Classes with fewer than {RARE} pictures: {shown}. Little can be learned of them, or said about them."
        findings.append(Finding("warning", "rare_class", text, count=len(rare)))
    low, high = int(counts.argmin()), int(counts.argmax())
    if counts[high] > IMBALANCE * counts[low]:
        text = (
            f"The largest class, {label_text(labels[high])}, has {counts[high]} pictures, the smallest, "
            f"{label_text(labels[low])}, {counts[low]}: look at the balanced accuracy, or use class_weight='balanced'."
        )
        findings.append(Finding("warning", "imbalance", text, count=int(counts[low])))
    missing = sorted(set(gallery.classes) - set(train.classes), key=str)
    if missing:
        text = f"No picture of the class {label_text(missing[0])} is learned from."
        findings.append(Finding("warning", "rare_class", text, count=len(missing)))
    return findings
