"""What a browser sees and hears of a session: each frame tells in its corner whether it is heard.

The mark is made where sound and picture are given to the encoder, by the sound of the very frame, and both are timed where
they leave the browser: pictures by requestVideoFrameCallback's expectedDisplayTime, sound by an AudioWorklet and the output's
own timestamps. What is between is the real path: encoders, WebRTC, jitter buffers, the browser's own lip-sync.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from animacy.live import Moment, Session, Sink
from animacy.live.host import Host
from browser import Page

Array = NDArray[np.float64]

LEVEL = 0.02  # peak above which sound is heard
PART = 8  # the mark's side is that part of the picture's
APART = 200.0  # ms without a mark or a sound, after which the next begins
NEAR = 400.0  # ms between a flash and its click at most
_ACTIONS = {"say": "document.getElementById('speak').click()", "stop": "document.getElementById('interrupt').click()"}


@dataclass(slots=True)
class Marked:
    """A scheduler's Sink before another: a white corner on frames that are heard, a black one on all others."""

    sink: Sink
    _heard: dict[int, bool] = field(default_factory=dict)

    def hear(self, moment: Moment) -> None:
        self._heard[moment.number] = bool(np.abs(moment.samples).max() > LEVEL)
        self._heard.pop(moment.number - 64, None)
        self.sink.hear(moment)

    def show(self, moment: Moment, face: NDArray[np.uint8]) -> None:
        marked, side = face.copy(), len(face) // PART
        marked[:side, :side] = 255 if self._heard[moment.number] else (0, 0, 0, 255)
        self.sink.show(moment, marked)


# `probe.late` is what a MediaStream takes on its way into Web Audio, and not on its way to the ear: a control, measured with a
# click that goes both through one and not.
_PROBE = """(async () => {
  const video = document.getElementById('video'), probe = window.probe = {seen: [], heard: [], asked: {}};
  const pen = new OffscreenCanvas(8, 8).getContext('2d', {willReadFrequently: true});
  const look = (now, frame) => {
    const side = video.videoWidth / PART;
    pen.drawImage(video, 0, 0, side, side, 0, 0, 8, 8);
    probe.seen.push([frame.expectedDisplayTime, pen.getImageData(3, 3, 1, 1).data[1] > 128]);
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  const code = `registerProcessor('ear', class extends AudioWorkletProcessor {
    process([input]) {
      const data = input[0] ?? [];
      const first = data.findIndex((x) => Math.abs(x) > LEVEL), last = data.findLastIndex((x) => Math.abs(x) > LEVEL);
      if (first >= 0) this.port.postMessage([(currentFrame + first) / sampleRate, (currentFrame + last) / sampleRate]);
      return true;
    }
  });`;
  const context = new AudioContext({latencyHint: 'interactive'});
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], {type: 'text/javascript'})));
  await context.resume();
  const ear = (node, told) => {
    const one = new AudioWorkletNode(context, 'ear', {numberOfOutputs: 0});
    one.port.onmessage = ({data}) => told(data);
    node.connect(one);
  };
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const tone = new OscillatorNode(context, {frequency: 1000}), gate = new GainNode(context, {gain: 0});
  const stream = context.createMediaStreamDestination(), direct = [], through = [];
  tone.connect(gate).connect(stream);
  tone.start();
  ear(gate, ([at]) => direct.push(at));
  ear(context.createMediaStreamSource(stream.stream), ([at]) => through.push(at));
  await wait(1000);
  gate.gain.setValueAtTime(0.5, context.currentTime + 0.05);
  while (!through.length) await wait(20);
  probe.late = 1000 * (through[0] - direct[0]);
  tone.stop();
  ear(context.createMediaStreamSource(video.srcObject), (times) => {
    const {contextTime, performanceTime} = context.getOutputTimestamp();
    probe.heard.push(times.map((at) => performanceTime + 1000 * (at - contextTime) - probe.late));
  });
  return true;
})()""".replace("LEVEL", str(LEVEL)).replace("PART", str(PART))

_STATS = """(async () => {
  const at = {};
  for (const report of (await studio.peer.getStats()).values()) if (report.type === 'inbound-rtp') at[report.kind] = report;
  return {...at};
})()"""


def mark(host: Host) -> None:
    """Mark the frames of all sessions that are opened from now on."""
    add = host.scheduler.add
    host.scheduler.add = lambda session, sink: add(session, Marked(sink))  # type: ignore[method-assign]


async def watch(page: Page) -> None:
    """Keep what is seen and heard on the studio's page, once it is live."""
    await page.until("window.studio && studio.peer && studio.peer.connectionState === 'connected'", 30)
    await page.until("document.getElementById('video').currentTime > 0.5", 20)
    await page.run("document.getElementById('sound').click()")
    await page.run(_PROBE)


async def do(page: Page, action: str) -> float:
    """Press "say" or "stop", and give the ms at which that was."""
    return float(await page.run(f"(() => {{ const now = performance.now(); {_ACTIONS[action]}; return now; }})()"))


async def kept(page: Page) -> tuple[Array, Array]:
    """Frames as rows of (ms, whether marked), sound as rows of (from, to) in ms, since the last call."""
    script = "const {seen, heard} = probe; probe.seen = []; probe.heard = []; return JSON.stringify({seen, heard});"
    value: dict[str, Any] = json.loads(await page.run(f"(() => {{ {script} }})()"))
    return np.array(value["seen"], float).reshape(-1, 2), np.array(value["heard"], float).reshape(-1, 2)


async def stats(page: Page) -> dict[str, dict[str, Any]]:
    """The inbound streams' getStats, by kind."""
    return dict(await page.run(_STATS))


def begins(times: Array) -> Array:
    """Those of the times before which there was none for APART ms."""
    return times[np.diff(times, prepend=-np.inf) > APART]


def offsets(seen: Array, heard: Array) -> Array:
    """Of each flash with a click, the ms by which the click is early: the sign of EBU R37, ITU-R BT.1359 and ATSC IS/191."""
    flashes, clicks = begins(seen[seen[:, 1] > 0, 0]), begins(heard[:, 0])
    if not len(clicks):
        return clicks
    ahead = flashes - clicks[np.abs(flashes[:, None] - clicks).argmin(axis=1)]
    return np.asarray(ahead[np.abs(ahead) < NEAR])


async def clicked(page: Page, session: Session, count: int, settling: int = 5) -> tuple[Array, Array]:
    """The offsets of `count` flashes with a click, one a second, and beside them what the browser itself reckons, in ms.

    settling: seconds before that in which the browser fills its buffers.
    """
    rate, burst = session.rate, session.rate * 3 // 100  # within one frame, which a pushed sound begins with
    piece = np.zeros(rate, np.float32)
    piece[:burst] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(burst) / rate)
    await kept(page)
    reckoned: list[float] = []
    begun, say = time.monotonic(), session.push_audio(piece, rate)
    for n in range(1, count + settling):
        await asyncio.sleep(max(begun + n - 0.5 - time.monotonic(), 0))
        session.push_audio(piece, rate, say)
        told = await stats(page)
        playing = [told.get(kind, {}).get("estimatedPlayoutTimestamp") for kind in ("audio", "video")]
        if n > settling and None not in playing:  # of what is played now, when it was captured: the later is early
            reckoned.append(playing[0] - playing[1])
    session.end_audio(say)
    await asyncio.sleep(max(begun + count + settling + 0.5 - time.monotonic(), 0))
    seen, heard = await kept(page)
    settled = seen[0, 0] + 1000 * settling
    return offsets(seen[seen[:, 0] > settled], heard[heard[:, 0] > settled]), np.array(reckoned)


async def replied(page: Page, text: str, speaking: float, seconds: float = 60) -> dict[str, float | None]:
    """Say `text`, interrupt it `speaking` seconds after it is heard, and give in ms how long that took to be seen and heard.

    "stop_..." are None where the interruption fell into a pause: there was nothing to stop.
    """
    await page.run(f"document.getElementById('text').value = {json.dumps(text)}")
    await kept(page)
    said = await do(page, "say")
    await page.until("probe.heard.length && probe.seen.some(([at, marked]) => marked)", seconds)
    await asyncio.sleep(speaking)
    stopped = await do(page, "stop")
    await asyncio.sleep(1.5)
    seen, heard = await kept(page)
    marked = seen[seen[:, 1] > 0, 0]
    cut = bool((heard[:, 1] > stopped - 50).any())
    return {
        "first_frame_ms": float(marked[marked > said].min() - said),
        "first_sound_ms": float(heard[heard[:, 0] > said, 0].min() - said),
        "stop_frame_ms": float(marked.max() - stopped) if cut else None,
        "stop_sound_ms": float(heard[:, 1].max() - stopped) if cut else None,
    }
