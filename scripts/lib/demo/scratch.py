"""The directory of one run: databases, configurations and logs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def make(parent: Path) -> Path:
    """Makes this run's directory, and removes those of runs that are over."""
    parent.mkdir(exist_ok=True)
    for old in parent.iterdir():
        if not old.name.isdecimal() or not Path(f"/proc/{old.name}").exists():
            remove(old)
    directory = parent / str(os.getpid())
    remove(directory)
    directory.mkdir()
    return directory


def remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
