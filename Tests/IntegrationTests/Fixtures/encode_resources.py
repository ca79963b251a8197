"""Encodes Envoy resources that tests write as JSON: `encode_resources.py IN OUT`.

IN holds a JSON list of resources with their `@type`; OUT gets a list of the same length with the base64 of
each one's bytes. The descriptors are those of the PyPI package xds-protos.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import any_pb2, json_format


def packages(value: object) -> Iterator[str]:
    """The protobuf packages of all types that occur in the value."""
    if isinstance(value, dict):
        if "@type" in value:
            yield value["@type"].rpartition("/")[2].rpartition(".")[0]
        for inner in value.values():
            yield from packages(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from packages(inner)


def register(package: str) -> None:
    """Imports every file of the package, so that its messages are known."""
    module = importlib.import_module(package)
    for directory in module.__path__:
        for path in Path(directory).glob("*_pb2.py"):
            importlib.import_module(f"{package}.{path.stem}")


def encoded(resource: dict[str, object]) -> str:
    message = json_format.ParseDict(resource, any_pb2.Any())
    return base64.b64encode(message.value).decode()


def main() -> None:
    source, target = sys.argv[1:]
    resources = json.loads(Path(source).read_text())
    for package in sorted(set(packages(resources))):
        register(package)
    Path(target).write_text(json.dumps([encoded(resource) for resource in resources]))


main()
