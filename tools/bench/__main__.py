"""Measure Datmo against the limits of this machine, and print a table.

    python tools/bench                      # all of it
    python tools/bench append replay        # some
    python tools/bench --rounds 9 --output bench.md

Each round runs every measurement once, ours and its limit in turn, so that a slow minute of the machine falls on both.
The table has medians over the rounds; the ratio is the median of the rounds' own ratios.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]

from bench.all import BENCHES  # noqa: E402
from bench.frame import measure, table  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {' '.join(BENCHES)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of events, for a quick look: 0.1")
    parser.add_argument("--output", type=Path, help="write the table here, too")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHES):
        parser.error(f"no bench is named {' '.join(sorted(unknown))}; there are: {' '.join(BENCHES)}")
    cases = [case for name in options.names or BENCHES for case in BENCHES[name](options.scale)]
    text = table(measure(cases, options.rounds))
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
