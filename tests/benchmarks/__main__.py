"""`make bench`: how fast, against what one would otherwise do, in one run on one machine.

    python -m tests.benchmarks [NAME ...] [--full]

Every benchmark runs in a process of its own. Machines differ and other work disturbs, so what is
compared runs in turn, best rounds count, and targets are ratios wherever they can be.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from importlib.metadata import version

from tests.benchmarks.lines import Line, Size, table
from tests.benchmarks.processes import measure_apart

USUAL = ("forward", "job", "memory", "cost", "cold_start", "training", "evidence", "serving")
MORE = ("ingest", "simulate")
PACKAGES = (
    *("rareevent", "numpy", "pandas", "pyarrow", "scikit-learn", "tensorflow", "keras"),
    *("onnxruntime", "mlflow"),
)


def main() -> None:
    """Run what is asked for, and print a table; whether targets were met is for a reader."""
    given = _arguments()
    names = given.names or (*USUAL, *MORE) if given.full else given.names or USUAL
    size = Size.TINY if given.tiny else Size.FULL if given.full else Size.USUAL
    lines: list[tuple[str, Line]] = []
    for name in names:
        began = time.perf_counter()
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        lines += [(name, line) for line in measure_apart(name, size)]
        print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    print(versions())
    print()
    print(table(lines))


def versions() -> str:
    """What was measured on, in one line."""
    found = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    cores, load = os.cpu_count(), os.getloadavg()[0]
    where = f"{platform.machine()}, {cores} cores, load {load:.1f} at the end"
    return f"Python {platform.python_version()} on {where}; {found}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=(*USUAL, *MORE, []), metavar="NAME")
    parser.add_argument("--full", action="store_true", help="larger sizes, and what else there is")
    parser.add_argument("--tiny", action="store_true", help="does it run at all; figures are void")
    return parser.parse_args()


if __name__ == "__main__":
    main()
