"""What a figure of speed depends on most: the processor, by name, and the width of its vectors."""

import platform
from pathlib import Path

from strata.rules.compiled._jit import VECTOR_BYTES


def processor() -> str:
    """Name the processor, such as ``AMD EPYC, vectors of 64 bytes``."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, vectors of {VECTOR_BYTES} bytes"
