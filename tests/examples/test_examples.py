"""The examples: each folder's one command does what its README says it does.

A README's first block of code is the command, its second what the output has in it, where `…` stands for anything.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DESCRIBED = sorted(path.parent.name for path in EXAMPLES.glob("*/README.md"))


def pattern(expected: str) -> str:
    """Return what matches the expected lines: `…` anything within a line, alone on one any lines."""
    lines = [".*" if line == "…" else re.escape(line).replace("…", "[^\\n]*") for line in expected.splitlines()]
    return "\\n".join(lines).replace(".*\\n", ".*")


@pytest.mark.timeout(900)  # one trains 32 times, in containers
@pytest.mark.parametrize("name", DESCRIBED)
def test_the_command_gives_what_the_readme_says(name: str, base_image: str, tmp_path: Path) -> None:
    command, expected = BLOCK.findall((EXAMPLES / name / "README.md").read_text())[:2]
    folder = shutil.copytree(EXAMPLES / name, tmp_path / name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, shell=True, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(pattern(expected), done.stdout, re.DOTALL), done.stdout
