"""Whether memory stays flat over a long script.

    python benchmarks/memory.py --minutes 30 --size 128 [--out FILE.json]

Runs `animacy say` on a script of about that much speech and notes the process's resident memory every five seconds.
Reported: the median of the second tenth of the run and of the last, and their difference.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

PARAGRAPH = (
    "Chapter {n}. It was a quiet morning in the harbour, and the boats were still asleep. Nobody had expected the letter, "
    "least of all Maria. She read it twice, then a third time, and laughed! What on earth should she answer? In {year}, her "
    "grandfather had sailed from here with {n} crates of oranges; he came back with a story that nobody believed. "
)


def resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    count = max(1, round(arguments.minutes * 60 / 22))  # a paragraph takes about 22 s to say
    text = "\n\n".join(PARAGRAPH.format(n=n + 2, year=1900 + n % 100) for n in range(count))
    with tempfile.TemporaryDirectory() as folder:
        script, film = Path(folder) / "script.txt", Path(folder) / "film.mp4"
        script.write_text(text)
        command = [sys.executable, "-m", "animacy", "say", "--file", str(script), "-o", str(film)]
        began = time.monotonic()
        process = subprocess.Popen(
            [*command, "--size", str(arguments.size), "--fps", str(arguments.fps)], stdout=subprocess.PIPE
        )
        samples = []
        while process.poll() is None:
            samples.append(round(resident(process.pid), 1))
            time.sleep(5)
        if process.returncode:
            sys.exit(process.returncode)
        said = process.stdout.read().decode().strip().split(": ", 1)[1] if process.stdout else ""
    tenth = max(1, len(samples) // 10)
    early, late = statistics.median(samples[tenth : 2 * tenth]), statistics.median(samples[-tenth:])
    result = {
        "machine": machine(),
        "characters": len(text),
        "video": said,
        "took_s": round(time.monotonic() - began, 1),
        "resident_mib_second_tenth": early,
        "resident_mib_last_tenth": late,
        "growth_mib": round(late - early, 1),
        "resident_mib_every_5_s": samples,
    }
    print(json.dumps({k: v for k, v in result.items() if k != "resident_mib_every_5_s"}, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
