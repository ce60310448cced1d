"""Check that every relative link and anchor in the Markdown files points to something that exists."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(path: Path) -> set[str]:
    """Return the anchors that the headings of a Markdown file give."""
    headings = re.findall(r"^#+\s+(.*)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(path: Path) -> list[str]:
    """List the links of one file that lead nowhere."""
    found = []
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists():
            found.append(f"{path.relative_to(ROOT)}: {target}: no such file")
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            found.append(f"{path.relative_to(ROOT)}: {target}: no such heading")
    return found


def main() -> int:
    """Print what is broken; 1 when anything is."""
    skip = {".venv", "runs", ".git"}
    files = [path for path in ROOT.rglob("*.md") if not skip & set(path.relative_to(ROOT).parts)]
    found = [line for path in sorted(files) for line in broken(path)]
    print("\n".join(found) or f"links: {len(files)} files, none broken")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
