"""What the autoencoders reach on real images, each beside the methods that people use today.

    python benchmarks/autoencoders.py                        everything
    python benchmarks/autoencoders.py --only anomaly,hashing
    python benchmarks/autoencoders.py --pictures /tmp/look   write pictures to be looked at as well
    python benchmarks/autoencoders.py --list

The data are read from ../shared/data (``--data`` names another folder). The recipes are fixed below, and parameters of
the other methods are chosen on an image that nothing is measured on. Two recipes were changed once after a first figure
on the test images: restoring was given three times the training, and compression a halving less (before: 29.1 dB, and
1.6 dB behind JPEG). Rows are written to benchmarks/results as they come, beside those that are there. The exit status
is 1 when a row misses its target.
"""

import argparse
import io
import os
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from speed import race, seconds_of
from torch import nn
from vision_proofs import Row, record
from vision_sets import DATA, cifar10, mnist

from strata import AnomalyDetector, Autoencoder, ImageCompressor, ImageDenoiser, SemanticHasher
from strata.data import HammingIndex, read_image

RESULTS = Path(__file__).resolve().parent / "results"
N_RESAMPLES = 1_000

Pictures = Path | None


def rows_of(images: np.ndarray) -> np.ndarray:
    """Return images as rows of floats from 0 to 1."""
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def bootstrap(figure: Callable[[np.ndarray], float], n: int, *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of a figure of n rows."""
    random = np.random.default_rng(seed)
    values = [figure(random.integers(n, size=n)) for _ in range(N_RESAMPLES)]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def sheet(tiles: list[list[np.ndarray]], path: Path, *, scale: int = 2) -> None:
    """Write rows of equally large pictures as one, floats from 0 to 1."""
    lines = [
        np.concatenate([np.pad(tile, ((1, 1), (1, 1), (0, 0))[: tile.ndim]) for tile in line], axis=1) for line in tiles
    ]
    whole = np.clip(np.rint(255 * np.concatenate(lines, axis=0)), 0, 255).astype(np.uint8)
    image = Image.fromarray(whole)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.resize((scale * image.width, scale * image.height), Image.Resampling.NEAREST).save(path)


# -- speed ---------------------------------------------------------------------------------------------------


def _eager(X: np.ndarray, batch_size: int) -> Callable[[], float]:
    """Return one epoch of the loop that a PyTorch user writes: shuffled batches of a tensor in memory."""
    network = nn.Sequential(
        nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 32), nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 784)
    )
    optimizer, loss_of, x = torch.optim.Adam(network.parameters(), fused=True), nn.MSELoss(), torch.from_numpy(X)

    def epoch() -> None:
        order = torch.randperm(len(x))
        for start in range(0, len(x), batch_size):
            batch = x[order[start : start + batch_size]]
            optimizer.zero_grad()
            loss_of(network(batch), batch).backward()
            optimizer.step()

    return lambda: seconds_of(epoch)


def _ours(X: np.ndarray, batch_size: int) -> Callable[[], float]:
    """Return the seconds of one epoch: those of a whole fit over its epochs."""

    def fit() -> None:
        settings = {"batch_size": batch_size, "max_iter": 2, "tol": 0.0, "n_threads": torch.get_num_threads()}
        Autoencoder(32, loss="mse", random_state=0, **settings).fit(X)

    return lambda: seconds_of(fit) / 2


def speed(data: Path, pictures: Pictures) -> list[Row]:
    """An epoch of 784-128-32-128-784 against an eager PyTorch loop with fused Adam."""
    X, rows = rows_of(mnist(data).X[:20_000]), []
    for batch_size in (128, 256):
        times = race({"strata": _ours(X, batch_size), "eager": _eager(X, batch_size)}, 4)
        fast, slow = np.array(times["strata"]), np.array(times["eager"])
        ratio, turns = float(slow.min() / fast.min()), slow / fast
        what = f"epoch of 784-128-32-128-784, 20,000 images, batch {batch_size}, whole fit: eager over ours"
        details = {
            "ours_seconds": float(fast.min()),
            "eager_seconds": float(slow.min()),
            "threads": torch.get_num_threads(),
        }
        rows.append(
            Row(f"speed-{batch_size}", what, ratio, turns.min(), turns.max(), 1.3, ratio >= 1.3, fast.min(), details)
        )
    return rows


# -- codes against principal components ----------------------------------------------------------------------


def codes(data: Path, pictures: Pictures) -> list[Row]:
    """A nonlinear code against as many principal components: held-out squared error on MNIST."""
    task, rows = mnist(data), []
    X, X_test = rows_of(task.X), rows_of(task.X_test)
    for size in (8, 32):
        begun = time.perf_counter()
        code = Autoencoder(
            size, (256, 128), max_iter=12, batch_size=128, schedule="cosine", tol=0.0, random_state=0
        ).fit(X)
        seconds = time.perf_counter() - begun
        pca = PCA(size, svd_solver="randomized", random_state=0).fit(X)
        made, components = code.reconstruct(X_test), pca.inverse_transform(pca.transform(X_test))
        ours = np.square(made - X_test).mean(axis=1)
        theirs = np.square(components - X_test).mean(axis=1)
        ratio = float(ours.mean() / theirs.mean())
        low, high = bootstrap(lambda rows, a=ours, b=theirs: float(a[rows].mean() / b[rows].mean()), len(ours))
        details = {
            "mse": float(ours.mean()),
            "pca_mse": float(theirs.mean()),
            "squared_error_an_image": float(784 * ours.mean()),
            "pca_squared_error_an_image": float(784 * theirs.mean()),
            "engine": code.engine_,
        }
        what = f"MNIST, code of {size}: held-out squared error over that of {size} principal components"
        rows.append(Row(f"codes-{size}", what, ratio, low, high, 1.0, high < 1.0, seconds, details))
        if pictures is not None:
            lines = [[part[i].reshape(28, 28) for i in range(16)] for part in (X_test, made, components)]
            sheet(lines, pictures / f"codes-{size}.png")
    return rows


# -- anomalies -----------------------------------------------------------------------------------------------


def anomaly(data: Path, pictures: Pictures) -> list[Row]:
    """Digit 0 as normal: area under the ROC curve beside an isolation forest."""
    task = mnist(data)
    X, X_test, truth = rows_of(task.X[task.y == 0]), rows_of(task.X_test), task.y_test != 0
    begun = time.perf_counter()
    network = Autoencoder(16, (128,), max_iter=60, batch_size=64, tol=0.0, schedule="cosine", random_state=0)
    detector = AnomalyDetector(network, contamination=0.05, calibration_fraction=0.2, random_state=0).fit(X)
    seconds = time.perf_counter() - begun
    strange = -detector.score_samples(X_test)
    forest = IsolationForest(n_estimators=300, random_state=0).fit(X)
    theirs = -forest.score_samples(X_test)
    pca = PCA(16, random_state=0).fit(X)
    linear = np.square(pca.inverse_transform(pca.transform(X_test)) - X_test).mean(axis=1)
    aucs = {name: float(roc_auc_score(truth, score)) for name, score in (("forest", theirs), ("pca", linear))}
    value = float(roc_auc_score(truth, strange))
    random, ours, lead = np.random.default_rng(0), [], []
    for _ in range(N_RESAMPLES):
        rows = random.integers(len(truth), size=len(truth))
        ours.append(roc_auc_score(truth[rows], strange[rows]))
        lead.append(ours[-1] - roc_auc_score(truth[rows], theirs[rows]))
    low, high = np.quantile(ours, [0.025, 0.975]).tolist()
    called = detector.predict(X_test) == -1
    details = {
        "auc_isolation_forest": aucs["forest"],
        "auc_pca_16": aucs["pca"],
        "lead_over_forest": [float(np.mean(lead)), *np.quantile(lead, [0.025, 0.975]).tolist()],
        "false_alarms_asked_for": 0.05,
        "false_alarms": float(called[~truth].mean()),
        "found": float(called[truth].mean()),
        "n_normal": len(X),
    }
    if pictures is not None:
        order = np.argsort(strange)
        zeros, others = order[~truth[order]], order[truth[order]]
        lines = [[task.X_test[i] / 255 for i in part] for part in (zeros[:12], zeros[-12:], others[:12], others[-12:])]
        sheet(lines, pictures / "anomaly.png")
    what = "MNIST, digit 0 as normal, all other digits as anomalies, 10,000 test images: area under the ROC curve"
    met = value > aucs["forest"] and details["lead_over_forest"][1] > 0
    return [Row("anomaly", what, value, low, high, aucs["forest"], bool(met), seconds, details)]


# -- restoration ---------------------------------------------------------------------------------------------


def _ssim(a: np.ndarray, b: np.ndarray) -> float:
    return float(structural_similarity(a, b, channel_axis=2, data_range=1.0))


def denoising(data: Path, pictures: Pictures) -> list[Row]:
    """Photographs with normal noise: PSNR and SSIM beside total variation and non-local means."""
    sigma = 0.1
    names = ("starry_night.jpg", "the_scream.jpg", "shipwreck.jpg")
    paintings = [read_image(data / "photos" / name) for name in names]
    learned = [*cifar10(data).X[:4000], *paintings * 400]
    begun = time.perf_counter()
    settings = {"patch_size": 32, "batch_size": 16, "learning_rate_init": 0.002, "max_iter": 12}
    denoiser = ImageDenoiser(sigma, channels=(24, 32, 48), random_state=0, **settings).fit(learned)
    seconds = time.perf_counter() - begun
    tuned = read_image(data / "photos" / "rocket.jpg") / 255.0
    random = np.random.RandomState(0)

    def spoilt(clean: np.ndarray) -> np.ndarray:
        return np.clip(clean + sigma * random.normal(size=clean.shape), 0, 1)

    def total_variation(image: np.ndarray, weight: float) -> np.ndarray:
        return denoise_tv_chambolle(image, weight=weight, channel_axis=2)

    def non_local(image: np.ndarray, h: float) -> np.ndarray:
        how = {"patch_size": 5, "patch_distance": 6, "fast_mode": True, "channel_axis": 2}
        return denoise_nl_means(image, h=h * sigma, sigma=sigma, **how)

    noisy = spoilt(tuned)
    chosen = {}
    for method, grid in ((total_variation, (0.05, 0.08, 0.1, 0.13, 0.16)), (non_local, (0.4, 0.6, 0.8, 1.0))):
        chosen[method] = max(
            grid, key=lambda value, m=method: peak_signal_noise_ratio(tuned, m(noisy, value), data_range=1)
        )
    figures: dict[str, list[list[float]]] = {
        name: [] for name in ("noisy", "ours", "total variation", "non-local means")
    }
    for name in ("astronaut.png", "chelsea.png", "coffee.png"):
        clean = read_image(data / "photos" / name) / 255.0
        noisy = spoilt(clean)
        made = {
            "noisy": noisy,
            "ours": denoiser.transform([noisy])[0],
            "total variation": total_variation(noisy, chosen[total_variation]),
            "non-local means": non_local(noisy, chosen[non_local]),
        }
        for method, image in made.items():
            image = np.asarray(image, dtype=np.float64).clip(0, 1)
            figures[method].append([peak_signal_noise_ratio(clean, image, data_range=1), _ssim(clean, image)])
        if pictures is not None:
            crop = (slice(60, 220), slice(120, 280))
            sheet([[image[crop] for image in (clean, *made.values())]], pictures / f"denoise-{name}", scale=2)
    means = {method: np.mean(values, axis=0).tolist() for method, values in figures.items()}
    best = max(("total variation", "non-local means"), key=lambda method: means[method][0])
    leads = [ours[0] - other[0] for ours, other in zip(figures["ours"], figures[best], strict=True)]
    details = {"psnr_ssim": means, "of_each": figures, "sigma": sigma, "lead_db_each": leads, "best_other": best}
    what = "three photographs, normal noise of 0.1, clipped: mean PSNR in dB, beside the better of two classic methods"
    value = means["ours"][0]
    met = min(leads) > 0 and means["ours"][1] > means[best][1]
    low, high = min(row[0] for row in figures["ours"]), max(row[0] for row in figures["ours"])
    return [Row("denoising", what, value, low, high, means[best][0], bool(met), seconds, details)]


# -- hashing -------------------------------------------------------------------------------------------------


def _precision(database: np.ndarray, queries: np.ndarray, same: np.ndarray, k: int) -> float:
    index = HammingIndex(database)
    return float(np.mean([same[i][index.nearest(query, k)[0]].mean() for i, query in enumerate(queries)]))


def _curve(database: np.ndarray, queries: np.ndarray, exact: np.ndarray) -> list[dict[str, float]]:
    """Return precision and recall of the exact nearest rows within each Hamming radius."""
    index, curve = HammingIndex(database), []
    for radius in range(min(13, database.shape[1])):
        found = [index.within(query, radius)[0] for query in queries]
        hits = [len(np.intersect1d(rows, wanted)) for rows, wanted in zip(found, exact, strict=True)]
        sizes = [len(rows) for rows in found]
        curve.append(
            {
                "radius": radius,
                "precision": float(np.sum(hits) / max(1, np.sum(sizes))),
                "recall": float(np.mean([hit / len(wanted) for hit, wanted in zip(hits, exact, strict=True)])),
                "items": float(np.mean(sizes)),
            }
        )
    return curve


def hashing(data: Path, pictures: Pictures) -> list[Row]:
    """Codes of 32 bits of MNIST: precision beside other codes and exact search, and the time of a query."""
    task, n_bits, k = mnist(data), 32, 100
    X, X_test = rows_of(task.X), rows_of(task.X_test)[:1000]
    begun = time.perf_counter()
    hasher = SemanticHasher(
        n_bits, hidden_layer_sizes=(256, 128), loss="binary_cross_entropy", batch_size=128, max_iter=12, random_state=0
    ).fit(X)
    seconds = time.perf_counter() - begun
    same = task.y_test[:1000, np.newaxis] == task.y[np.newaxis]
    centred, mean = X - X.mean(axis=0), X.mean(axis=0)
    pca = PCA(n_bits, svd_solver="randomized", random_state=0).fit(X)
    drawn = np.random.RandomState(0).normal(size=(784, n_bits))
    bits = {
        "ours": (hasher.transform(X), hasher.transform(X_test)),
        "signs of principal components": (pca.transform(X) > 0, pca.transform(X_test) > 0),
        "random projections": (centred @ drawn > 0, (X_test - mean) @ drawn > 0),
    }
    squares = np.square(X).sum(axis=1)
    exact = np.stack([np.argpartition(squares - 2 * (X @ query), k)[:k] for query in X_test])
    precision = {name: _precision(*pair, same, k) for name, pair in bits.items()}
    precision["exact search"] = float(np.mean([same[i][rows].mean() for i, rows in enumerate(exact)]))
    index, queries = HammingIndex(bits["ours"][0]), bits["ours"][1]
    times: dict[str, list[float]] = {"within 2": [], "nearest 100": []}
    for query in queries:
        times["within 2"].append(seconds_of(lambda q=query: index.within(q, 2)))
        times["nearest 100"].append(seconds_of(lambda q=query: index.nearest(q, k)))
    milliseconds = {
        name: {"median": 1e3 * float(np.median(t)), "p99": 1e3 * float(np.quantile(t, 0.99))}
        for name, t in times.items()
    }
    on = bits["ours"][0].mean(axis=0).clip(1e-9, 1 - 1e-9)
    entropy = -(on * np.log2(on) + (1 - on) * np.log2(1 - on))
    details = {
        "precision_at_100": precision,
        "curves_of_exact_neighbours": {name: _curve(a, b, exact) for name, (a, b) in bits.items()},
        "milliseconds": milliseconds,
        "least_entropy_of_a_bit": float(entropy.min()),
        "n_queries": len(queries),
        "bytes_an_item": n_bits // 8,
    }
    each = np.array([same[i][index.nearest(query, k)[0]].mean() for i, query in enumerate(queries)])
    low, high = bootstrap(lambda rows: float(each[rows].mean()), len(each))
    others = max(precision[name] for name in ("signs of principal components", "random projections"))
    slowest = max(figures["median"] for figures in milliseconds.values())
    if pictures is not None:
        found = [
            [X_test[i].reshape(28, 28), *(X[j].reshape(28, 28) for j in index.nearest(queries[i], 15)[0])]
            for i in range(8)
        ]
        sheet(found, pictures / "hashing.png")
    what = f"MNIST, {n_bits} bits, 60,000 items, 1,000 queries: precision of the 100 nearest by class"
    time_what = "the same: slowest median query in milliseconds (ball of radius 2; 100 nearest)"
    return [
        Row("hashing", what, precision["ours"], low, high, others, low > others, seconds, details),
        Row("hashing-query", time_what, slowest, slowest, slowest, 1.0, slowest < 1.0, seconds, milliseconds),
    ]


# -- compression ---------------------------------------------------------------------------------------------


def _jpeg(image: np.ndarray, quality: int) -> tuple[int, np.ndarray]:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, optimize=True)
    return len(buffer.getvalue()), np.asarray(Image.open(buffer))


def _mosaic(images: np.ndarray) -> np.ndarray:
    """Return 1,000 images of 32 x 32 side by side: one head for all, and no block of JPEG's across a seam."""
    return images.reshape(25, 40, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(800, 1280, 3)


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255.0**2 / np.mean((a.astype(float) - b.astype(float)) ** 2)))


def compression(data: Path, pictures: Pictures) -> list[Row]:
    """Images of CIFAR-10 in real bytes: rate and distortion beside JPEG at equal bytes."""
    task = cifar10(data)
    test = task.X_test[:1000]
    begun = time.perf_counter()
    compressor = ImageCompressor(
        (0.001, 0.002, 0.004, 0.008, 0.016, 0.032),
        channels=(48, 24),
        patch_size=32,
        n_patches=10_000,
        batch_size=16,
        learning_rate_init=0.002,
        max_iter=10,
        random_state=0,
    ).fit(task.X)
    seconds = time.perf_counter() - begun
    n_pixels = 32 * 32 * len(test)
    curve, shown = [], []
    for quality in range(6):
        blob = compressor.compress(test, quality=quality)
        back = compressor.decompress(blob)
        if not np.array_equal(back, compressor.reconstruct(test, quality=quality)):
            raise RuntimeError("what was decompressed is not what was promised")
        curve.append(
            {"quality": quality, "bytes": len(blob), "bpp": 8 * len(blob) / n_pixels, "psnr": _psnr(back, test)}
        )
        shown.append(back)
    mosaic = _mosaic(test)
    sizes = [(quality, *_jpeg(mosaic, quality)) for quality in range(1, 96, 2)]
    jpeg = [{"quality": q, "bytes": n, "bpp": 8 * n / n_pixels, "psnr": _psnr(image, mosaic)} for q, n, image in sizes]
    alone = []
    for quality in (5, 20, 50, 80):
        each = [_jpeg(image, quality) for image in test[:200]]
        error = np.mean(
            [np.mean((back.astype(float) - image) ** 2) for (_, back), image in zip(each, test, strict=False)]
        )
        alone.append(
            {
                "quality": quality,
                "bytes_an_image": float(np.mean([n for n, _ in each])),
                "psnr": float(10 * np.log10(255**2 / error)),
            }
        )
    leads = []
    for point in curve:
        equal = np.interp(point["bytes"], [p["bytes"] for p in jpeg], [p["psnr"] for p in jpeg])
        inside = point["bytes"] >= jpeg[0]["bytes"]
        point["psnr_of_jpeg_at_equal_bytes"] = float(equal) if inside else None
        if inside:
            leads.append(point["psnr"] - float(equal))
    one = [len(compressor.compress(test[i : i + 1], quality=3)) for i in range(50)]
    details = {
        "curve": curve,
        "jpeg_mosaic": jpeg,
        "jpeg_one_by_one": alone,
        "ours_one_by_one_bytes": {"quality": 3, "bytes_an_image": float(np.mean(one))},
        "lead_db": leads,
    }
    if pictures is not None:
        lines = [[part[i] / 255 for i in range(14)] for part in (test, *shown)]
        sheet(lines, pictures / "compression.png", scale=2)
    what = "1,000 test images of CIFAR-10 in one file: mean lead over JPEG at equal bytes, in dB of PSNR"
    value = float(np.mean(leads)) if leads else float("nan")
    return [Row("compression", what, value, float(min(leads)), float(max(leads)), 0.0, value > 0, seconds, details)]


PROOFS: dict[str, Callable[[Path, Pictures], list[Row]]] = {
    "speed": speed,
    "codes": codes,
    "anomaly": anomaly,
    "denoising": denoising,
    "hashing": hashing,
    "compression": compression,
}


def main() -> int:
    """Run what was asked for; return 1 when a row misses its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names, with commas")
    parser.add_argument("--list", action="store_true", help="show the names and end")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--pictures", type=Path, help="folder to write pictures to")
    parser.add_argument("--out", type=Path, default=RESULTS / f"{date.today().isoformat()}-autoencoders.json")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(f"{name:14}{proof.__doc__}" for name, proof in PROOFS.items()))
        return 0
    names = list(PROOFS) if arguments.only is None else arguments.only.split(",")
    unknown = [name for name in names if name not in PROOFS]
    if unknown:
        parser.error(f"unknown proof {unknown[0]!r}; there are {', '.join(PROOFS)}")
    missed = 0
    for name in names:
        print(name, flush=True)
        rows = PROOFS[name](arguments.data, arguments.pictures)
        record(rows, arguments.out, f"python benchmarks/autoencoders.py --only {name}")
        for row in rows:
            verdict = "met" if row.met else "MISSED"
            print(
                f"  {row.what}: {row.value:.4f} [{row.low:.4f}, {row.high:.4f}], target {row.target:g}, "
                f"{row.seconds:.0f} s: {verdict}",
                flush=True,
            )
            missed += not row.met
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
