"""How the options of commands that have many are grouped in their help: a title, and the options under it.

What is not named here stands under "Options", and what every command takes under "Everywhere".
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SECTIONS"]

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
