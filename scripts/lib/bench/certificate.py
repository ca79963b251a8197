"""A certificate for the TLS cases, made for one run and thrown away with it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """A server certificate that is its own root, and its key."""

    certificate: Path
    key: Path


def make(directory: Path) -> Certificate:
    """Has openssl make a certificate for 127.0.0.1; P-256, so that handshakes are as cheap as they are in a mesh."""
    made = Certificate(directory / "certificate.pem", directory / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-out", str(made.certificate), "-keyout", str(made.key)]
    subprocess.run(command, check=True, capture_output=True)
    return made
