"""The command answers at once: help needs none of the heavy libraries."""

import subprocess
import sys
import time
from pathlib import Path

HEAVY = ("torch", "sklearn", "numba", "pandas", "scipy", "matplotlib")


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_importing_strata_loads_nothing_heavy():
    done = run(f"import sys, strata; print([m for m in {HEAVY!r} if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_help_loads_nothing_heavy():
    code = f"""
import sys
from strata.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code in (0, None), end.code
print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)
"""
    done = run(code)
    assert done.stderr.strip().endswith("[]"), done.stderr
    assert "train" in done.stdout


def test_help_answers_in_half_a_second_when_warm():
    command = [str(Path(sys.executable).with_name("strata")), "--help"]
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5, seconds
