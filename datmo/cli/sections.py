"""How the options of commands that have many are grouped in their help, and how long examples are broken.

What is not named here stands under "Options", and what every command takes under "Everywhere".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["SECTIONS", "continued"]

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "datmo task run": {
        "Where it runs": "--executor --environment-def --gpu --gpus --ports --network --user --workdir --interactive",
        "What it is given, and may use": "--data --env --mem-limit --cpus --timeout",
        "Many tasks": "--jobs --grid --from --repeat --retries --max-failures --fail-fast --rank --detach",
        "What it belongs to": "--name --session-id --session",
    },
    "datmo snapshot create": {
        "What it is": "--message --label --session-id",
        "What it is made of": (
            "--task-id --code-id --commit-id --environment-id --environment-def --file-collection-id --filepaths"
        ),
        "Configuration and metrics": (
            "--config --config-filename --config-filepath --stats --stats-filename --stats-filepath"
        ),
    },
}
"""By command: a title, and the options under it."""

_WORD = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""")


def continued(example: str, width: int, indent: int) -> list[str]:
    """Return a command line in lines that are no wider than the terminal, such that a shell still takes them as one.

    Parameters:
        example: the command line.
        width: of the terminal.
        indent: how many blanks are before each line.
    """
    first, *words = _WORD.findall(example)
    lines = [f"{'':{indent}}$ {first}"]
    for word in words:
        if len(lines[-1]) + len(word) + 3 <= width:  # a blank, and room for another and the backslash
            lines[-1] += f" {word}"
        else:
            lines[-1] += " \\"
            lines.append(f"{'':{indent + 4}}{word}")
    return lines
