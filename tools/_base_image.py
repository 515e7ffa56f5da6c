"""The image that tests build upon: pulled where that works, else made from Debian's packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from _dockerd import install, remove_tree, why_not_here
from _engine import EngineError, image_exists, import_image, pull, tag_image

NAME = "python:3.11-slim"

_SUITE = "bookworm"  # the Debian release whose Python is 3.11
_PACKAGES = "python3,python3-pip,python3-venv,python-is-python3,ca-certificates"
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_CHANGES = ['CMD ["python3"]', f"ENV PIP_CERT={_BUNDLE}", "ENV PIP_BREAK_SYSTEM_PACKAGES=1"]


def provide(host: str, cache: Path, pythons: Iterable[str], *, may_pull: bool) -> None:
    """See to it that the engine has the image, and one for each Python that the tests run on.

    Parameters:
        host: the engine's address.
        cache: where the root file system is kept for the next time.
        pythons: their versions; where their images cannot be pulled, the first one stands in for them.
        may_pull: ask the engine to fetch it first.
    """
    _provide(host, cache, may_pull=may_pull)
    for name in (f"python:{version}-slim" for version in pythons):
        if not image_exists(host, name) and (not may_pull or pull(host, name, timeout=120)):
            tag_image(host, NAME, name)


def _provide(host: str, cache: Path, *, may_pull: bool) -> None:
    if image_exists(host, NAME):
        return
    problem = pull(host, NAME, timeout=120) if may_pull else None
    if may_pull and problem is None:
        return
    if reason := why_not_here():
        raise EngineError(f"the engine has no {NAME} and cannot pull it ({problem}); it is not made, as {reason}")
    tar = _root_file_system(cache)
    print(f"importing {NAME}", flush=True)
    import_image(host, tar, NAME, _CHANGES)


def _root_file_system(cache: Path) -> Path:
    """The tar of a small Debian with Python, and with the certificates that this machine trusts."""
    certificates = Path(os.environ.get("SSL_CERT_FILE") or _BUNDLE)
    trusted = certificates.read_bytes() if certificates.exists() else b""
    tar = cache / f"{_SUITE}-{hashlib.sha256(trusted + _PACKAGES.encode()).hexdigest()[:12]}.tar"
    if tar.exists():
        return tar
    install("debootstrap")
    print("making a base image from Debian's packages, about a minute, once", flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="base-", dir=cache))
    try:
        root = scratch / "root"
        _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, str(root))
        if trusted:
            (root / _BUNDLE.lstrip("/")).write_bytes(trusted)
        shutil.rmtree(root / "var/cache/apt/archives")
        _run("tar", "-C", str(root), "-cf", str(scratch / "tar"), ".")
        (scratch / "tar").rename(tar)
    finally:
        remove_tree(scratch)
    return tar


def _run(*command: str) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        last = done.stdout.decode(errors="replace").strip().splitlines()[-3:]
        raise EngineError(f"{command[0]} failed: {' / '.join(last)}")
