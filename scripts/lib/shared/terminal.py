"""Terminal output that is pleasant on a terminal and plain everywhere else."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

_FANCY = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def styled(text: str, *styles: str) -> str:
    """The text in the named styles, or as it is where they can't be shown."""
    if not _FANCY or not styles:
        return text
    return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def line(text: str = "") -> None:
    """Prints one line, in place of a progress line if there is one."""
    if _FANCY:
        sys.stdout.write("\r\x1b[K")
    print(text, flush=True)


def step(text: str) -> None:
    """Says what happens next."""
    line(styled(f"▸ {text}", "bold"))


def good(text: str) -> None:
    """Says that something is as it should be."""
    line(f"{styled('✓', 'green')} {text}")


def bad(text: str) -> None:
    """Says what is wrong."""
    line(styled(f"✗ {text}", "red"))


def note(text: str) -> None:
    """Says something that needs no action."""
    line(styled(f"  {text}", "dim"))


def progress(text: str) -> None:
    """Shows a line that the next one replaces; nothing where there is no terminal to replace it on."""
    if _FANCY:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
        sys.stdout.write(f"\r\x1b[K{styled('  … ' + text[: max(columns - 5, 10)], 'dim')}")
        sys.stdout.flush()


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Lines of a table; the first `left` columns are aligned to the left, the others to the right."""
    widths = [max(_width(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [styled(_row(head, widths, left), "bold"), styled("  ".join("─" * width for width in widths), "dim")]
    return lines + [_row(row, widths, left) for row in rows]


def _row(cells: Sequence[str], widths: Sequence[int], left: int) -> str:
    padded = []
    for index, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        space = " " * (width - _width(cell))
        padded.append(cell + space if index < left else space + cell)
    return "  ".join(padded).rstrip()


def _width(text: str) -> int:
    return len(_ESCAPE.sub("", text))
