"""Checks every import against scripts/lib/imports.txt: `imports.py ROOT`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_ROW = re.compile(r"^(?P<name>@?[\w-]+)(?P<pure> \(pure\))?:(?P<imports>.*)$")
_IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?"
    r"import\s+(?:(?:struct|class|enum|protocol|typealias|func|var|let)\s+)?(?P<module>\w+)"
)
# What a pure module never imports, even if its row were changed.
_IMPURE = re.compile(
    r"NIO|GRPC|HTTP2|SwiftProtobuf|Foundation|Logging|Metrics|Synchronization|Dispatch|ServiceLifecycle|Glibc|C[A-Z]|.*API$"
)


class BadTable(Exception):
    """imports.txt says something that can't be."""


@dataclass
class Table:
    """The rules of imports.txt."""

    groups: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, set[str]] = field(default_factory=dict)
    pure: set[str] = field(default_factory=set)

    @staticmethod
    def read(path: Path) -> Table:
        table = Table()
        for number, text in enumerate(path.read_text().splitlines(), start=1):
            text = text.partition("#")[0].strip()
            if not text:
                continue
            match = _ROW.match(text)
            if match is None:
                raise BadTable(f"{path}:{number}: expected “module: imports”, found “{text}”")
            table._add(match, f"{path}:{number}")
        return table

    def _add(self, match: re.Match[str], place: str) -> None:
        name, words = match["name"], match["imports"].split()
        if name in self.groups or name in self.rows:
            raise BadTable(f"{place}: {name} is there already")
        if name.startswith("@"):
            self.groups[name] = self._expanded(words, place)
            return
        self.rows[name] = set(self._expanded(words, place))
        if match["pure"]:
            self.pure.add(name)

    def _expanded(self, words: list[str], place: str) -> list[str]:
        modules: list[str] = []
        for word in words:
            if word.startswith("@") and word not in self.groups:
                raise BadTable(f"{place}: there is no group {word} above this line")
            modules += self.groups.get(word, [word])
        return modules

    def allowed(self, target: str) -> set[str] | None:
        """What the target may import, or nothing when no row says."""
        if not target.endswith("Tests"):
            return self.rows.get(target)
        subject = target.removesuffix("Tests")
        if subject not in self.rows and target not in self.rows:
            return None
        own = self.rows.get(subject, set()) | ({subject} if subject in self.rows else set())
        return own | self.rows.get(target, set()) | set(self.groups["@testing"])


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """The file's imports with their lines; text inside multi-line strings is no import."""
    in_string = False
    for number, text in enumerate(path.read_text().splitlines(), start=1):
        match = None if in_string else _IMPORT.match(text)
        if match:
            yield number, match["module"]
        if text.count('"""') % 2:
            in_string = not in_string


def problems(root: Path, table: Table) -> Iterator[str]:
    """A line for each import that the table does not allow."""
    for path in sorted([*root.glob("Sources/*/**/*.swift"), *root.glob("Tests/*/**/*.swift")]):
        relative = path.relative_to(root)
        target = relative.parts[1]
        allowed = table.allowed(target)
        if allowed is None:
            yield f"{relative}:1: module {target} has no row in scripts/lib/imports.txt"
            continue
        for number, module in imports(path):
            if module == "Swift":
                continue
            if module not in allowed:
                yield f"{relative}:{number}: module {target} may not import {module}"
            elif target in table.pure and _IMPURE.match(module):
                yield f"{relative}:{number}: module {target} is pure and may not import {module}"


def main() -> int:
    root = Path(sys.argv[1]).resolve()
    try:
        table = Table.read(root / "scripts/lib/imports.txt")
    except BadTable as error:
        print(error)
        return 2
    found = list(problems(root, table))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
