"""Virtual environments, on machines whose Python came without the means to make them, too."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from _dockerd import apt_install, why_not_here
from _engine import EngineError

if TYPE_CHECKING:
    from pathlib import Path


def make_venv(folder: Path) -> None:
    """Make a virtual environment with pip, or say in one line what is missing."""
    command = [sys.executable, "-m", "venv", "--clear", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return
    if why_not_here() is None:
        apt_install("python3-venv")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()[-1:]
        raise EngineError(f"missing: virtual environments for {sys.executable} ({' '.join(said)})")


def pip_install(folder: Path, *what: str) -> None:
    """Install into a virtual environment; pip's own words are shown where it fails."""
    # Twice quiet: configurations with several indexes make pip warn of each package that one of them lacks.
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    if subprocess.run([*pip, *what], stdin=subprocess.DEVNULL, check=False).returncode:
        raise EngineError(f"pip could not install {' '.join(what)}")
