"""What benchmarks share that run in parts on a GPU machine: the time since they began, guards, and compilers' caches."""

from __future__ import annotations

import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BEGAN = time.perf_counter()
COMPILING = 75.0  # s from the beginning by which compilers have to be done
Save = Callable[[], None]
Part = Callable[[dict[str, Any], Save], None]


def passed() -> float:
    """Seconds since the program began."""
    return time.perf_counter() - BEGAN


def told(what: str) -> None:
    print(f"{passed():6.1f} s  {what}", flush=True)


@contextmanager
def guarded(report: dict[str, Any], name: str) -> Iterator[None]:
    """What fails in the block goes into the report under `name`, and the rest goes on."""
    try:
        yield
    except Exception:
        report[name] = {"error": traceback.format_exc()}
        told(f"  {name} failed: {report[name]['error']}")


def run(name: str, part: Part, report: dict[str, Any], save: Save) -> None:
    """One part, guarded, into the report under its name, which is saved then."""
    told(name)
    report[name] = {}
    with guarded(report, f"{name}, error"):
        part(report[name], save)
    save()


def compiled(shares: Sequence[str], more: Sequence[str] = ()) -> None:
    """Fill the compilers' caches with each of gpu_tune.py's `shares`, in a process each, side by side."""
    tune = str(Path(__file__).with_name("gpu_tune.py"))
    told("compiling")
    running = {
        share: subprocess.Popen(
            [sys.executable, tune, "--warm", share, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for share in shares
    }
    for share, process in running.items():
        try:
            said = process.communicate(timeout=max(1.0, COMPILING - passed()))[0]
        except subprocess.TimeoutExpired:
            process.kill()
            said = process.communicate()[0] + " (took too long)"
        if process.returncode:
            told(f"  {share} failed: {said[-1500:]}")


def fused_shares() -> list[str]:
    """The shares of what the fused network needs."""
    return [f"fused:{i}/9" for i in range(9)]
