"""Copy example files into the README blocks that name them.

A block starts with ``<!-- snippet: PATH -->`` and ends with ``<!-- /snippet -->``; what stands
between is replaced by the file's text as fenced code. ``--check`` changes nothing and exits 1 where
a block is out of date.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- snippet: (\S+) -->\n).*?(<!-- /snippet -->)", re.DOTALL)


def rewritten(text: str, root: Path = ROOT) -> str:
    """The text with every block filled from its file under ``root``."""

    def fill(block: re.Match[str]) -> str:
        code = (root / block[2]).read_text(encoding="utf-8")
        language = "yaml" if block[2].endswith(".yaml") else "python"
        return f"{block[1]}```{language}\n{code}```\n{block[3]}"

    return BLOCK.sub(fill, text)


def main() -> int:
    """Rewrite or check README.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args().check
    readme = ROOT / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = rewritten(old)
    if new == old:
        return 0
    if check:
        print("README.md differs from its example files: run `python tools/snippets.py`")
        return 1
    readme.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
