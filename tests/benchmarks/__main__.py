"""`make bench`: every benchmark of this folder, one after the other, in one run on one machine."""

import platform
import runpy
import sys
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("rareevent", "numpy", "pandas", "pyarrow", "scikit-learn", "tensorflow", "keras")


def main() -> None:
    """Print versions, then run each benchmark as its own script."""
    print(f"Python {platform.python_version()} on {platform.machine()}, ", end="")
    print(", ".join(f"{name} {version(name)}" for name in PACKAGES))
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        print(f"\n== {path.stem.removeprefix('bench_')}", flush=True)
        sys.argv = [str(path)]
        runpy.run_path(str(path), run_name="__main__")


if __name__ == "__main__":
    main()
