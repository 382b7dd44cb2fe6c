"""What one viewer in headless Chromium sees and hears of a live session, by WebRTC from this machine.

    python benchmarks/live_browser.py [--replies 12] [--clicks 40] [--out FILE.json]

Reported: by how many ms sound is early against the picture of the same instant (negative: late), by a clip of flashes and
clicks, beside what the browser itself reckons (getStats); the ms from the press on Speak to the first frame on the screen, and
to the first sound, of a text that no cache holds; the ms from the press on Interrupt to the last frame and the last sound.
Server, voice and browser share the machine: where it has two cores, the browser takes much of one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

sys.path.append(str(Path(__file__).parents[1] / "tests"))
import browser
import watching
from animacy.live.bench import TEXTS
from animacy.live.host import Host, make_host
from animacy.live.server import Limits
from live import Running

SPEAKING = 0.5  # s that each reply is heard


async def measure(server: Running, host: Host, replies: int, clicks: int) -> dict[str, Any]:
    async with browser.opened(f"http://localhost:{server.port}/", inject=True) as page:
        await watching.watch(page)
        found, reckoned = await watching.clicked(page, host.streams[0].session, clicks)
        print(f"offsets {np.round(found)}", file=sys.stderr)
        before, every = await watching.stats(page), []
        for n in range(replies):
            every.append(await watching.replied(page, TEXTS[n], SPEAKING))
            print({name: None if ms is None else round(ms) for name, ms in every[-1].items()}, file=sys.stderr)
        after = await watching.stats(page)
        late = await page.run("probe.late")
        version = (await page.call("Browser.getVersion"))["product"]
    result: dict[str, Any] = {
        "av_offset_ms": round(float(np.median(found)), 1),
        "av_offset_p10_p90_ms": [round(float(np.percentile(found, q)), 1) for q in (10, 90)],
        "av_offset_reckoned_ms": round(float(np.median(reckoned)), 1) if len(reckoned) else None,
        "av_offset_bar_ms": [-45, 15],
        "web_audio_ms": round(late, 1),  # that Web Audio adds, by a control; taken off
        "clicks": len(found),
        "replies": replies,
    }
    for name in every[0]:
        values = [ms for reply in every if (ms := reply[name]) is not None]
        result[name] = round(statistics.median(values)) if values else None
        result[name.replace("_ms", "_max_ms")] = round(max(values)) if values else None
    for kind in ("audio", "video"):
        waited, count = (after[kind][k] - before[kind][k] for k in ("jitterBufferDelay", "jitterBufferEmittedCount"))
        result[f"{kind}_jitter_buffer_ms"] = round(1000 * waited / count, 1)
    lost = ("framesDropped", "freezeCount", "packetsLost")
    return {**result, **{name: after["video"][name] - before["video"][name] for name in lost}, "browser": version}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--avatar", default="default")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--voice", default="auto")
    parser.add_argument("--replies", type=int, default=12)
    parser.add_argument("--clicks", type=int, default=40)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if browser.CHROMIUM is None:
        parser.error("needs Chromium: apt-get install chromium")
    load = os.getloadavg()[0]
    with make_host((arguments.avatar,), size=arguments.size, voice=arguments.voice, stage=lambda name: None) as host:
        watching.mark(host)
        server = Running(host, limits=Limits(requests_per_second=1e6))
        try:
            figures = asyncio.run(measure(server, host, arguments.replies, arguments.clicks))
        finally:
            server.close()
    result = {"machine": machine(), "load_before": round(load, 2), "size": arguments.size, "voice": arguments.voice, **figures}
    print(json.dumps(result, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
