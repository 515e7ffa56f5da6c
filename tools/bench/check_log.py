"""Run the log's two long checks at full size, and say what they found.

    python tools/bench/check_log.py

Eight processes append 10,000 events each while a ninth follows (with the longest wait of one append); and writing
processes are killed with -9 at 200 random moments.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    full = {"DATMO_TEST_EVENTS": "10000", "DATMO_TEST_KILLS": "200"}
    command = [sys.executable, "-m", "pytest", "-q", "-s", "tests/eventlog/test_processes.py", "--timeout", "1800"]
    return subprocess.run([*command, *sys.argv[1:]], cwd=ROOT, env=full | os.environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
