"""What the networks of counts make of real cells: clusters, mixed batches, imputed counts, and how fast.

    python benchmarks/cells.py                      everything, about 25 minutes on two cores
    python benchmarks/cells.py --only latent,speed  some of: latent, imputation, speed
    python benchmarks/cells.py --seeds 5            more seeds (3)
    python benchmarks/cells.py --methods SCVI       only methods of such a name

The data are 1,408 cells of five lung cancer lines in five batches, sc_mixology_counts.npz in ../shared/data (``--data``
names another folder). Methods that are compared see the same genes: the 2,000 whose counts vary most beyond what
depth and a negative binomial explain, chosen without labels. Recipes are fixed below; labels are used once, to score.
Rows are written to benchmarks/results as they come.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from processor import processor
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, silhouette_samples, silhouette_score
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn
from torch.nn import functional as F

import strata
from strata import SCVI, CountAutoencoder
from strata.data import thin_counts
from strata.engine import Callback, Run

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RESULTS = Path(__file__).resolve().parent / "results"
N_GENES = 2000


class Cells(NamedTuple):
    """Counts with what is known of the cells."""

    counts: sparse.csr_matrix
    line: np.ndarray
    batch: np.ndarray


def load(folder: Path) -> Cells:
    """Read the cells; the file has genes by cells."""
    with np.load(folder / "sc_mixology_counts.npz") as file:
        counts = sparse.csr_matrix(file["counts"].T)
        return Cells(counts, file["cell_line"].astype(str), file["batch"].astype(str))


def variable_genes(counts: sparse.csr_matrix, n_genes: int = N_GENES) -> np.ndarray:
    """Return the genes whose Pearson residuals vary most, under a negative binomial of inverse dispersion 100.

    J. Lause, P. Berens, D. Kobak, "Analytic Pearson residuals for normalization of single-cell RNA-seq UMI data",
    Genome Biology 22:258, 2021.
    """
    totals, by_gene = np.asarray(counts.sum(axis=1)), np.asarray(counts.sum(axis=0))
    variance = []
    for start in range(0, counts.shape[1], 1000):
        mean = totals @ by_gene[:, start : start + 1000] / by_gene.sum()
        residual = (counts[:, start : start + 1000].toarray() - mean) / np.sqrt(mean + mean**2 / 100)
        variance.append(np.clip(residual, -np.sqrt(len(totals)), np.sqrt(len(totals))).var(axis=0))
    return np.sort(np.argsort(-np.concatenate(variance), kind="stable")[:n_genes])


def principal(counts: sparse.csr_matrix, n_axes: int, seed: int) -> np.ndarray:
    """Return principal components of the logarithms of counts per ten thousand."""
    shares = sparse.diags(1e4 / np.asarray(counts.sum(axis=1)).ravel()) @ counts
    return PCA(n_axes, random_state=seed).fit_transform(np.log1p(shares.toarray()))


# -- scores ------------------------------------------------------------------------------------------


def clusters(z: np.ndarray, line: np.ndarray, seed: int) -> float:
    """Return the adjusted Rand index of as many clusters by k-means as there are lines."""
    found = KMeans(len(np.unique(line)), n_init=20, random_state=seed).fit_predict(z)
    return float(adjusted_rand_score(line, found))


def ilisi(z: np.ndarray, batch: np.ndarray, *, perplexity: float = 30.0) -> np.ndarray:
    """Return the effective number of batches around each cell: the inverse Simpson's index of its neighbours.

    I. Korsunsky et al., "Fast, sensitive and accurate integration of single-cell data with Harmony", Nature Methods
    16:1289, 2019: 90 neighbours, weighted by a Gaussian whose width gives the perplexity 30.
    """
    n_neighbours = min(int(3 * perplexity), len(z) - 1)
    perplexity = min(perplexity, n_neighbours / 3)
    distances, near = NearestNeighbors(n_neighbors=n_neighbours).fit(z).kneighbors()
    one_hot = batch[near][:, :, None] == np.unique(batch)
    result = np.empty(len(z))
    for i in range(len(z)):
        low, high, width = 0.0, np.inf, 1.0
        d = distances[i] - distances[i, 0]
        for _ in range(60):
            p = np.exp(-d * width)
            p /= p.sum()
            entropy = -(p * np.log(np.maximum(p, 1e-300))).sum()
            if abs(entropy - np.log(perplexity)) < 1e-5:
                break
            low, high = (width, high) if entropy > np.log(perplexity) else (low, width)
            width = 2 * width if np.isinf(high) else (low + high) / 2
        result[i] = 1 / np.square(p @ one_hot[i]).sum()
    return result


def mixing(z: np.ndarray, cells: Cells) -> dict[str, float]:
    """Return how well batches mix within each line: iLISI over its ideal, and the silhouette of the batches.

    The lines are not in all batches, so neighbours are looked for within a line. The ideal is the inverse Simpson's
    index of the line's batches. The silhouette score is 1 minus the absolute silhouette of a cell's batch, averaged
    over the cells of a line and then over lines (M. Luecken et al., Nature Methods 19:41, 2022); 1 is best.
    """
    shares, silhouettes = [], []
    for line in np.unique(cells.line):
        rows = cells.line == line
        batch = cells.batch[rows]
        counted = np.unique(batch, return_counts=True)[1] / rows.sum()
        ideal = 1 / np.square(counted).sum()
        shares.append((ilisi(z[rows], batch).mean() - 1) / (ideal - 1))
        silhouettes.append(np.mean(1 - np.abs(silhouette_samples(z[rows], batch))))
    return {"ilisi_share_of_ideal": float(np.mean(shares)), "batch_silhouette_score": float(np.mean(silhouettes))}


# -- the three questions -----------------------------------------------------------------------------


def latent(cells: Cells, n_seeds: int, wanted: str) -> Iterator[dict[str, Any]]:
    """Clusters and mixed batches of each representation."""
    counts = cells.counts[:, variable_genes(cells.counts)]
    methods: dict[str, Callable[[int], np.ndarray]] = {
        "PCA of log-normalised counts, 10 axes": lambda seed: principal(counts, 10, seed),
        "PCA of log-normalised counts, 50 axes": lambda seed: principal(counts, 50, seed),
        "CountAutoencoder (nb)": lambda seed: CountAutoencoder(random_state=seed).fit_transform(counts),
        "CountAutoencoder (zinb)": lambda seed: CountAutoencoder(likelihood="zinb", random_state=seed).fit_transform(
            counts
        ),
        "SCVI without the batch": lambda seed: SCVI(random_state=seed).fit_transform(counts),
        "SCVI with the batch": lambda seed: SCVI(random_state=seed).fit(counts, batch=cells.batch).transform(counts),
    }
    for name, method in methods.items():
        if wanted not in name:
            continue
        found, begun = [], time.process_time()
        for seed in range(n_seeds):
            z = method(seed)
            found.append(
                {
                    "ari": clusters(z, cells.line, seed),
                    "line_silhouette": float(silhouette_score(z, cells.line)),
                    **mixing(z, cells),
                }
            )
        spread = {key: [round(each[key], 4) for each in found] for key in found[0]}
        means = {key: float(np.mean(values)) for key, values in spread.items()}
        seconds = (time.process_time() - begun) / n_seeds
        yield {"name": f"latent: {name}", **means, "by_seed": spread, "cpu_seconds_per_fit": seconds}


def poisson_loss(counts: np.ndarray, mean: np.ndarray) -> float:
    """Return the mean Poisson deviance of an entry."""
    mean = np.maximum(mean.astype(np.float64), 1e-12)
    ratio = np.where(counts > 0, counts * np.log(np.maximum(counts, 1) / mean), 0.0)
    return float(2 * np.mean(ratio - counts + mean))


def imputation(cells: Cells, n_seeds: int, wanted: str) -> Iterator[dict[str, Any]]:
    """How well what was kept of the counts, nine tenths, foretells the tenth that was held out."""
    counts = cells.counts[:, variable_genes(cells.counts)]
    methods: dict[str, Callable[[sparse.csr_matrix, int], np.ndarray]] = {
        "mean of the gene, by depth": lambda kept, seed: (
            np.asarray(kept.sum(axis=1)) @ (np.asarray(kept.sum(axis=0)) / kept.sum())
        ),
        "mean of the gene in the batch, by depth": lambda kept, seed: by_batch(kept, cells.batch),
        "the kept counts themselves": lambda kept, seed: kept.toarray(),
        "CountAutoencoder (nb)": lambda kept, seed: CountAutoencoder(random_state=seed).fit(kept).denoise(kept),
        "SCVI with the batch": lambda kept, seed: (
            SCVI(likelihood="nb", random_state=seed).fit(kept, batch=cells.batch).denoise(kept, batch=cells.batch)
        ),
    }
    for name, method in methods.items():
        if wanted not in name:
            continue
        deviance, error, begun = [], [], time.process_time()
        for seed in range(n_seeds):
            kept, held_out = thin_counts(counts, 0.9, random_state=seed)
            guess, truth = method(kept, seed) / 9, held_out.toarray().astype(np.float64)
            deviance.append(poisson_loss(truth, guess))
            error.append(float(np.mean((np.log1p(guess) - np.log1p(truth)) ** 2)))
        seconds = (time.process_time() - begun) / n_seeds
        by_seed = {"deviance": deviance, "squared_log_error": error}
        means = {key: float(np.mean(values)) for key, values in by_seed.items()}
        yield {"name": f"imputation: {name}", **means, "by_seed": by_seed, "cpu_seconds_per_fit": seconds}


def by_batch(kept: sparse.csr_matrix, batch: np.ndarray) -> np.ndarray:
    """Return the mean of each gene in a cell's batch, times the depth of the cell."""
    guess = np.empty(kept.shape)
    for label in np.unique(batch):
        rows = batch == label
        part = kept[rows]
        guess[rows] = np.asarray(part.sum(axis=1)) @ (np.asarray(part.sum(axis=0)) / part.sum())
    return guess


class BareDCA(nn.Module):
    """The same network as anyone would write it in a few lines of PyTorch."""

    def __init__(self, n_genes: int, *, zinb: bool) -> None:
        super().__init__()
        sizes = (n_genes, 64, 32, 64)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(b, eps=1e-3, momentum=0.01) for b in sizes[1:])
        self.mean, self.dispersion = nn.Linear(64, n_genes), nn.Linear(64, n_genes)
        self.zero = nn.Linear(64, n_genes) if zinb else None

    def loss(self, x: Tensor, counts: Tensor, sizes: Tensor) -> Tensor:
        for linear, norm in zip(self.hidden, self.norms, strict=True):
            x = F.relu(norm(linear(x)))
        mean = self.mean(x).exp().clamp(1e-5, 1e6) * sizes[:, None]
        theta = F.softplus(self.dispersion(x)).clamp(1e-4, 1e4)
        eps = 1e-10
        plain = (
            torch.lgamma(theta + eps)
            + torch.lgamma(counts + 1)
            - torch.lgamma(counts + theta + eps)
            + (theta + counts) * torch.log1p(mean / (theta + eps))
            + counts * (torch.log(theta + eps) - torch.log(mean + eps))
        )
        if self.zero is None:
            return plain.mean()
        pi = torch.sigmoid(self.zero(x))
        extra = -torch.log(pi + (1 - pi) * (theta / (theta + mean + eps)) ** theta + eps)
        return torch.where(counts < 1e-8, extra, plain - torch.log(1 - pi + eps)).mean()


def bare_epochs(counts: np.ndarray, *, zinb: bool, n_epochs: int) -> list[float]:
    """Return the processor's seconds of each epoch of an eager loop over dense tensors that were made beforehand."""
    torch.manual_seed(0)
    x = torch.from_numpy(counts.astype(np.float32))
    sizes = x.sum(dim=1) / x.sum(dim=1).median()
    seen = (x / sizes[:, None]).log1p()
    seen = (seen - seen.mean(dim=0)) / seen.std(dim=0).clamp_min(1e-6)
    network = BareDCA(x.shape[1], zinb=zinb)
    optimizer = torch.optim.RMSprop(network.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)
    seconds = []
    for _ in range(n_epochs):
        begun = time.process_time()
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            network.loss(seen[rows], x[rows], sizes[rows]).backward()
            nn.utils.clip_grad_value_(network.parameters(), 5.0)
            optimizer.step()
        seconds.append(time.process_time() - begun)
    return seconds


class Clock(Callback):
    """Read the processor's seconds before each epoch and after it."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_epoch_begin(self, run: Run) -> None:
        """Begin an epoch."""
        self.seconds.append(-time.process_time())

    def on_epoch_end(self, run: Run) -> None:
        """End it."""
        self.seconds[-1] += time.process_time()


def our_epochs(counts: sparse.csr_matrix, *, zinb: bool, n_epochs: int) -> list[float]:
    """Return the processor's seconds of each epoch of the estimator, on the sparse matrix."""
    options = {"early_stopping": False, "max_iter": n_epochs, "random_state": 0, "n_threads": 1}
    clock = Clock()
    CountAutoencoder(likelihood="zinb" if zinb else "nb", callbacks=[clock], **options).fit(counts)
    return clock.seconds


def speed(cells: Cells, n_seeds: int, wanted: str) -> Iterator[dict[str, Any]]:
    """The epoch of a count autoencoder on all genes beside a bare loop, in turn, on one thread, by processor time."""
    counts, n_threads = cells.counts[:256], torch.get_num_threads()
    sets = {
        f"sc_mixology, {counts.shape[0]} cells of {counts.shape[1]:,} genes": counts,
        "the same thinned to a tenth": thin_counts(counts, 0.1, random_state=0)[0],
    }
    our_epochs(counts, zinb=True, n_epochs=1)  # what is compiled once
    torch.set_num_threads(1)
    try:
        for place, matrix in sets.items():
            for zinb in (False, True):
                ours, bare, dense = [], [], matrix.toarray()
                for _ in range(n_seeds):
                    ours += our_epochs(matrix, zinb=zinb, n_epochs=2)[1:]
                    bare += bare_epochs(dense, zinb=zinb, n_epochs=2)[1:]
                ratio = statistics.median(b / o for b, o in zip(bare, ours, strict=True))
                yield {
                    "name": f"speed: DCA epoch ({'zinb' if zinb else 'nb'}), {place}",
                    "share_above_zero": float(matrix.nnz / np.prod(matrix.shape)),
                    "seconds": statistics.median(ours),
                    "bare_seconds": statistics.median(bare),
                    "times_as_fast": ratio,
                    "met": ratio >= 1.0,
                }
    finally:
        torch.set_num_threads(n_threads)


PARTS = {"latent": latent, "imputation": imputation, "speed": speed}


def machine(argv: list[str]) -> dict[str, object]:
    """Describe where and how the rows were measured."""
    return {
        "date": date.today().isoformat(),
        "command": " ".join(["python", "benchmarks/cells.py", *argv]),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "strata": strata.__version__,
        "cores": os.cpu_count(),
        "processor": processor(),
    }


def write(path: Path, rows: list[dict[str, Any]], where: dict[str, object]) -> None:
    """Put rows beside those that are there, in the place of older ones of the same name."""
    kept = json.loads(path.read_text())["rows"] if path.exists() else []
    new = {row["name"]: {**row, "machine": where} for row in rows}
    merged = [new.pop(row["name"], row) for row in kept] + list(new.values())
    path.write_text(json.dumps({"rows": merged}, indent=1) + "\n")


def main(argv: list[str]) -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--methods", default="")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / f"{date.today().isoformat()}-cells.json")
    arguments = parser.parse_args(argv)
    cells = load(arguments.data)
    missed = 0
    for part in arguments.only.split(","):
        for row in PARTS[part](cells, arguments.seeds, arguments.methods):
            write(arguments.out, [row], machine(argv))
            missed += not row.get("met", True)
            figures = {k: round(v, 4) for k, v in row.items() if isinstance(v, float)}
            print(row["name"], figures, flush=True)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
