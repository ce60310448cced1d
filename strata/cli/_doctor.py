"""The verb ``doctor``: what strata runs on, and what is broken about it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from strata._files import cache_home
from strata.cli._console import Console
from strata.report.run_folder import environment

__all__ = ["run"]

#: Optional packages and the extra that brings each.
OPTIONAL = {"pyarrow": "tables", "torchvision": "vision"}
FREE_BYTES = 1 << 30


def run(options: Mapping[str, Any], console: Console) -> int:
    """Show versions, threads, devices and folders, and what is wrong with them.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.
    console : Console
        Where to speak.

    Returns
    -------
    exit_code : int
        0 when all is well, 1 when something needs a hand.
    """
    facts = {**environment(), **_machine()}
    problems = _problems(facts)
    if console.json_output:
        console.emit({"schema": "strata.doctor/1", **facts, "problems": problems})
    else:
        for name, version in facts.pop("versions").items():
            console.result(f"{name:<14}{version}")
        for name, value in facts.items():
            shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            console.result(f"{name.replace('_', ' '):<14}{shown}")
        for problem in problems:
            console.result(console.paint("! ", "yellow") + problem)
        if not problems:
            console.result(console.paint("all is well", "green"))
    return 1 if problems else 0


def _machine() -> dict[str, Any]:
    cache = cache_home()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    return {
        "torch_build": f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only",
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] or ["cpu"],
        "wait_policy": os.environ.get("OMP_WAIT_POLICY", "not set"),
        "cache_folder": str(cache),
        "free_bytes": shutil.disk_usage(existing).free,
        "optional": {name: _state_of(name) for name in OPTIONAL},
    }


def _state_of(name: str) -> str:
    """Say whether an optional package is there and can be imported; a broken one may end a process."""
    if find_spec(name) is None:
        return "missing"
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"{'import torch; ' if name.startswith('torch') else ''}import {name}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"broken ({type(error).__name__})"
    if done.returncode == 0:
        return "works"
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return f"broken ({last[:120]})"


def _problems(facts: Mapping[str, Any]) -> list[str]:
    problems = []
    for name, state in facts["optional"].items():
        if state.startswith("broken"):
            problems.append(
                f"{name} is installed but cannot be imported: {state}. A torch and a {name} from different "
                f"builds do not go together; install both from the same place, or do without."
            )
    if facts["free_bytes"] < FREE_BYTES:
        problems.append(f"less than 1 GiB is free for {facts['cache_folder']}")
    if facts["wait_policy"].upper() != "PASSIVE":
        problems.append("OMP_WAIT_POLICY is not PASSIVE: on a busy machine two threads may be slower than one")
    cache = Path(facts["cache_folder"])
    if cache.exists() and not os.access(cache, os.W_OK):
        problems.append(f"{cache} cannot be written")
    return problems
