"""Benchmarks in processes of their own, and how much memory one took."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

from tests.benchmarks.lines import Line, Size


def fresh_process() -> ProcessPoolExecutor:
    """A worker that starts anew: one that was forked would inherit peaks, threads and settings."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def measure_apart(name: str, size: Size) -> list[Line]:
    """A benchmark's lines, measured in a process of its own."""
    with fresh_process() as pool:
        return pool.submit(measure_here, name, size).result()


def measure_here(name: str, size: Size) -> list[Line]:
    """A benchmark's lines, measured in this process."""
    return import_module(f"tests.benchmarks.bench_{name}").measure(size)


def peak_mb() -> float:
    """Peak of this process; `getrusage` would hand down that of the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
