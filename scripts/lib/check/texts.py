"""Checks what no file of the repository may say, and lists files that have grown long: `texts.py ROOT`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_FORBIDDEN = [
    (re.compile(r"""(?:^|[\s"'`=(:])/(?:home|root|work|Users|opt)/\w"""), "a path of one machine"),
    (re.compile(r"--(?:extra-)?index-url|--find-links|(?:pypi|deb\.debian|ports\.ubuntu)\.org"), "a package host"),
    (re.compile(r"^(?:<{7}|>{7}) "), "a conflict marker"),
]
_LONG_LINES = 600
_GENERATED = re.compile(r"\.pb\.swift$|Descriptors\.swift$|\.(?:json|golden|resolved)$|^LICENSE$")


def files(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every text file that is, or is about to be, in the repository."""
    # In a container the checkout may belong to another user, which git refuses otherwise.
    command = ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z"]
    command += ["--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name in sorted(set(listed.split("\0"))):
        path = root / name
        if not name or not path.is_file() or path.is_symlink():
            continue
        try:
            yield Path(name), path.read_text().splitlines()
        except UnicodeDecodeError:
            continue


def problems(name: Path, lines: list[str]) -> Iterator[str]:
    # This file has to spell out what it looks for.
    if name.name == Path(__file__).name:
        return
    for number, text in enumerate(lines, start=1):
        for pattern, what in _FORBIDDEN:
            if pattern.search(text):
                yield f"{name}:{number}: names {what}"


def main() -> int:
    found: list[str] = []
    for name, lines in files(Path(sys.argv[1]).resolve()):
        found += problems(name, lines)
        if len(lines) > _LONG_LINES and not _GENERATED.search(name.name):
            print(f"  long: {name} has {len(lines)} lines; can it be two files?")
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
