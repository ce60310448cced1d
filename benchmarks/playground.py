"""Figures of the playground: speed with the page open, frames a second, first paint, and epochs beside the reference.

    python benchmarks/playground.py                              everything, with Debian's Chromium
    python benchmarks/playground.py --only epochs --seeds 30     one of epochs, room, browser, memory

Everything is measured in one run on this machine. The reference is restated in NumPy from the formulas of the
TensorFlow Playground (canon/generative.md, section 18). ``room`` is a page that draws nothing, ``browser`` a real one
on the same cores. Figures are written to benchmarks/results; the exit status is 1 when one misses its goal.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from vision_proofs import machine

from strata.engine import Callback, StopAfter, watching
from strata.playground.configuration import Configuration
from strata.playground.frames import unpack_frame
from strata.playground.models import model_for
from strata.playground.room import run_room
from strata.playground.rows import make_rows

_MOST = 3000
_GOAL = 0.05
_CHROMIUM = Path("/usr/bin/chromium")
_RESULTS = Path(__file__).resolve().parent / "results"
_SERVE = "import sys; from strata.cli import main; sys.exit(main(['playground', '--no-browser', '--port', '0']))"


@dataclass(frozen=True)
class Figure:
    """A figure and its goal; ``at_least`` says on which side of it is good."""

    name: str
    what: str
    value: float
    goal: float
    at_least: bool
    measured: list[Any]

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.value >= self.goal if self.at_least else self.value <= self.goal


class Page:
    """A page that acknowledges every frame at once, and does nothing else."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["strata.playground.preload"])
        self.link, theirs = context.Pipe()
        self.process = context.Process(target=run_room, args=(theirs, "benchmark"))
        self.process.start()
        theirs.close()
        self.frames, self.header = 0, {"epoch": 0}
        self.pump(lambda kind, value: kind == b"J" and json.loads(value).get("event") == "hello", 120.0)

    def say(self, **message: Any) -> None:
        self.link.send_bytes(b"P" + json.dumps(message).encode())

    def pump(self, done: Any, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.link.poll(0.02):
                continue
            data = self.link.recv_bytes()
            kind, value = data[:1], data[1:]
            if kind == b"B":
                self.header = unpack_frame(value)[0]
                self.frames += 1
                self.say(do="ack", id=0, frame=self.header["frame"])
            if done(kind, value):
                return

    def close(self) -> None:
        self.link.close()
        self.process.join(10)


def bare_rate(seconds: float) -> float:
    """Epochs a second of the same fit without a page."""

    class Clock(Callback):
        def on_fit_begin(self, run: Any) -> None:
            self.begun = time.monotonic()

        def on_epoch_end(self, run: Any) -> None:
            if time.monotonic() - self.begun > seconds:
                self.rate = run.epoch / (time.monotonic() - self.begun)
                run.stop("callback")

    configuration = Configuration(max_epochs=200_000)
    rows = make_rows(configuration)
    clock = Clock()
    with watching(clock):
        model_for(configuration, rows).build().fit(*rows.part(rows.train))
    return clock.rate


def open_rate(seconds: float, page: Page) -> tuple[float, float]:
    """Epochs and frames a second with a page open."""
    page.say(do="configure", id=1, changes={"max_epochs": 200_000})
    page.say(do="reset", id=2, new_seed=False)
    page.pump(lambda kind, value: False, 1.0)
    page.say(do="play", id=3)
    page.pump(lambda kind, value: kind == b"B" and page.header["epoch"] > 0, 30.0)
    begun, epoch, frames = time.monotonic(), page.header["epoch"], page.frames
    page.pump(lambda kind, value: False, seconds)
    spent = time.monotonic() - begun
    rates = (page.header["epoch"] - epoch) / spent, (page.frames - frames) / spent
    page.say(do="reset", id=4, new_seed=False)
    page.pump(lambda kind, value: False, 0.5)
    return rates


def reference_epochs(X: Any, t: Any, X_test: Any, t_test: Any, seed: int) -> int | None:
    """Epochs of the reference's network until its test loss, the mean of half the squared error, is below the goal."""
    rng = np.random.default_rng(seed)
    sizes = (2, 4, 2, 1)
    weights = [rng.uniform(-0.5, 0.5, (a, b)) for a, b in itertools.pairwise(sizes)]
    biases = [np.full(b, 0.1) for b in sizes[1:]]
    for epoch in range(1, _MOST + 1):
        for start in range(0, len(X), 10):  # the reference shuffles once, when it makes the data
            activations = [X[start : start + 10]]
            for w, b in zip(weights, biases, strict=True):
                activations.append(np.tanh(activations[-1] @ w + b))
            delta = (activations[-1] - t[start : start + 10, None]) * (1 - activations[-1] ** 2)
            for layer in (2, 1, 0):
                gradient, bias = activations[layer].T @ delta / len(delta), delta.mean(axis=0)
                if layer:
                    delta = (delta @ weights[layer].T) * (1 - activations[layer] ** 2)
                weights[layer] -= 0.03 * gradient
                biases[layer] -= 0.03 * bias
        a = X_test
        for w, b in zip(weights, biases, strict=True):
            a = np.tanh(a @ w + b)
        if 0.5 * np.mean((a[:, 0] - t_test) ** 2) < _GOAL:
            return epoch
    return None


def our_epochs(data_seed: int, seed: int) -> tuple[int | None, int | None]:
    """Epochs of the page's start state to the goal: in the reference's measure (of 2p - 1), and in cross-entropy."""
    configuration = Configuration(data_seed=data_seed, seed=seed, max_epochs=_MOST)
    rows = make_rows(configuration)
    X_test, y_test = rows.part(rows.test)
    found: dict[str, int] = {}

    class Look(Callback):
        def on_epoch_end(self, run: Any) -> None:
            a = X_test
            network = run.rule.network
            for place, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
                z = a @ w.detach().numpy() + b.detach().numpy()
                a = np.tanh(z) if place < len(network.weights) - 1 else z
            z, t = a[:, 0], y_test.astype(float)
            losses = {"squared": 0.5 * np.mean((np.tanh(z / 2) - t) ** 2), "entropy": np.mean(np.logaddexp(0, -t * z))}
            for name, loss in losses.items():
                if loss < _GOAL:
                    found.setdefault(name, run.epoch)
            if len(found) == 2:
                run.stop("callback")

    with watching(Look(), StopAfter(_MOST)):
        model_for(configuration, rows).build().fit(*rows.part(rows.train))
    return found.get("squared"), found.get("entropy")


def compare_epochs(n_seeds: int) -> list[Figure]:
    """Epochs of the reference and of ours to the goal, each with its own loss, over seeds of data and weights."""
    theirs, squared, entropy = [], [], []
    for seed in range(n_seeds):
        rows = make_rows(Configuration(data_seed=seed))
        (X, y), (X_test, y_test) = rows.part(rows.train), rows.part(rows.test)
        theirs.append(reference_epochs(X, y.astype(float), X_test, y_test.astype(float), seed) or _MOST)
        ours = our_epochs(seed, seed)
        squared.append(ours[0] or _MOST)
        entropy.append(ours[1] or _MOST)
    goal = statistics.median(theirs)
    words = f"median epochs to a test loss of {_GOAL} on the circle task; goal: the reference's"
    return [
        Figure("epochs", f"{words}; its measure", statistics.median(squared), goal, False, squared),
        Figure("epochs-own", f"{words}; cross-entropy", statistics.median(entropy), goal, False, entropy),
    ]


def compare_rates(seconds: float, n_rounds: int) -> list[Figure]:
    """Compare speed with a page that draws nothing and without."""
    page = Page()
    pairs = []
    for _ in range(n_rounds):
        bare = bare_rate(seconds)
        pairs.append((bare, *open_rate(seconds, page)))
    page.close()
    return rates_as_figures("room", pairs)


def rates_as_figures(kind: str, rounds: list[tuple[float, float, float]]) -> list[Figure]:
    """Make figures of rounds of epochs a second alone, epochs a second with the page, frames a second."""
    ratio = statistics.median(opened / bare for bare, opened, _ in rounds)
    frames = statistics.median(frames for _, _, frames in rounds)
    measured = [[round(number, 1) for number in each] for each in rounds]
    return [
        Figure(f"{kind}-speed", "training steps a second with the page open / without", ratio, 0.9, True, measured),
        Figure(f"{kind}-frames", "frames a second at the default network", frames, 25.0, True, measured),
    ]


@contextmanager
def served() -> Iterator[str]:
    """Serve the playground in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def compare_browser(seconds: float, n_rounds: int) -> list[Figure]:
    """Compare speed with a page open in a browser and without, and look when it paints."""
    from playwright.sync_api import sync_playwright

    paints, rounds, frames = [], [], [0]
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(_CHROMIUM), args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()

        def count(data: bytes | str) -> None:
            frames[0] += isinstance(data, bytes)

        page.on("websocket", lambda socket: socket.on("framereceived", count))
        page.goto(address)
        page.wait_for_selector(".unit", timeout=240_000)
        page.goto(address.split("#")[0] + "#neurons&speed=0&max_epochs=200000")
        for _ in range(n_rounds):
            page.reload()
            paint = page.wait_for_function(
                "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime", timeout=60_000
            )
            paints.append(round(paint.json_value()))
            page.wait_for_selector(".unit", timeout=240_000)
            bare = bare_rate(seconds)
            page.keyboard.press("Space")
            page.wait_for_timeout(1000)
            begun, epoch, seen = time.monotonic(), shown_epoch(page), frames[0]
            page.wait_for_timeout(1000 * seconds)
            spent = time.monotonic() - begun
            rounds.append((bare, (shown_epoch(page) - epoch) / spent, (frames[0] - seen) / spent))
            page.keyboard.press("Space")
        browser.close()
    paint = Figure("paint", "milliseconds to the first paint", statistics.median(paints), 1000.0, False, paints)
    return [*rates_as_figures("browser", rounds), paint]


def watch_memory(minutes: float) -> list[Figure]:
    """Let a network train in an open page, and see what memory grows after the first minute."""
    import psutil
    from playwright.sync_api import sync_playwright

    pages, processes = [], []
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(_CHROMIUM), args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.goto(address)
        page.wait_for_selector(".unit", timeout=240_000)
        page.goto(address.split("#")[0] + "#neurons&speed=60&max_epochs=200000")  # it must not end before its time
        page.reload()
        page.wait_for_selector(".unit", timeout=240_000)
        inside = page.context.new_cdp_session(page)
        inside.send("Performance.enable")
        server = next(child for child in psutil.Process().children() if "playground" in " ".join(child.cmdline()))
        page.keyboard.press("Space")
        for _ in range(max(2, round(minutes)) + 1):
            inside.send("HeapProfiler.collectGarbage")
            metrics = {each["name"]: each["value"] for each in inside.send("Performance.getMetrics")["metrics"]}
            pages.append(round(metrics["JSHeapUsedSize"] / 2**20, 1))
            family = [server, *server.children(recursive=True)]
            processes.append(round(sum(each.memory_info().rss for each in family) / 2**20, 1))
            before = shown_epoch(page)
            page.wait_for_timeout(60_000)
            if shown_epoch(page) < before + 600:
                raise RuntimeError(f"The page stood still at epoch {before}.")
        browser.close()
    words = f"MiB that {{}} grew by from the first to the last of {minutes:g} minutes of training"
    return [
        Figure("memory-page", words.format("the page's heap"), pages[-1] - pages[1], 10.0, False, pages),
        Figure("memory-server", words.format("all processes"), processes[-1] - processes[1], 50.0, False, processes),
    ]


def shown_epoch(page: Any) -> int:
    """Read the epoch from the page."""
    return int("".join(each for each in page.locator(".epoch-number").inner_text() if each.isdigit()))


def main() -> int:
    """Measure what was asked for; return 1 when a figure misses its goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="epochs,room,browser,memory", help="what, with commas")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--out", type=Path, default=_RESULTS / f"{date.today().isoformat()}-playground.json")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    measures = {
        "epochs": lambda: compare_epochs(options.seeds),
        "room": lambda: compare_rates(options.seconds, options.rounds),
        "browser": lambda: compare_browser(options.seconds, options.rounds),
        "memory": lambda: watch_memory(options.minutes),
    }
    found = []
    for name in options.only.split(","):
        for figure in measures[name]():
            sign, verdict = ("≥" if figure.at_least else "≤"), ("met" if figure.met else "MISSED")
            print(f"{figure.name:16} {figure.value:8.2f} {sign} {figure.goal:g}: {verdict}   {figure.what}", flush=True)
            found.append(figure)
    stored = json.loads(options.out.read_text())["rows"] if options.out.exists() else []
    names = {figure.name for figure in found}
    command = "python benchmarks/playground.py " + " ".join(sys.argv[1:])
    rows = [asdict(figure) | {"met": figure.met, "machine": machine(command.strip())} for figure in found]
    kept = [row for row in stored if row["name"] not in names]
    options.out.write_text(json.dumps({"rows": kept + rows}, indent=1, allow_nan=False) + "\n")
    return int(not all(figure.met for figure in found))


if __name__ == "__main__":
    sys.exit(main())
