"""What a viewer in a real browser sees and hears; here it only has to be sane, benchmarks/live_browser.py takes the figures."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

import browser
import watching
from animacy.live.bench import _loudness
from live import Running, Tap, serving

pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

TEXT = "one two three four five six seven eight. " * 8


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving() as running:
        watching.mark(running.host)
        yield running


@pytest.mark.slow
def test_flashes_and_clicks_come_together_and_replies_begin_and_stop(server: Running) -> None:
    async def look() -> None:
        async with browser.opened(f"http://localhost:{server.port}/", inject=True) as page:
            await watching.watch(page)
            found, _ = await watching.clicked(page, server.host.streams[0].session, 5, settling=1)
            assert len(found) >= 3 and abs(np.median(found)) < 250, found
            reply = await watching.replied(page, TEXT, 0.8)
            assert 0 < (reply["first_frame_ms"] or 0) < 5000 and 0 < (reply["first_sound_ms"] or 0) < 5000, reply
            for name in ("stop_frame_ms", "stop_sound_ms"):  # the text goes on for twenty seconds
                assert (reply[name] or 0) < 1200, reply
            told = await watching.stats(page)
            assert told["video"]["framesDecoded"] > 50 and told["audio"]["totalSamplesReceived"] > 48_000

    asyncio.run(look())


def test_one_speaks_with_their_own_voice_in_the_studio(server: Running) -> None:
    """By Chromium's microphone of beeps, and by a file; under the page's own policy of what may be loaded."""
    flags = "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"
    chosen = """(() => { const rate = 8000, data = new DataView(new ArrayBuffer(44 + 2 * rate));
      [0x52494646, 0, 0x57415645, 0x666d7420].forEach((word, i) => data.setUint32(4 * i, word));
      [[4, 36 + 2 * rate], [16, 16], [24, rate], [28, 2 * rate], [40, 2 * rate]].forEach(([a, x]) => data.setUint32(a, x, 1));
      [[20, 1], [22, 1], [32, 2], [34, 16]].forEach(([a, x]) => data.setUint16(a, x, 1));
      data.setUint32(36, 0x64617461);
      for (let i = 0; i < rate; i++) data.setInt16(44 + 2 * i, 9000 * Math.sin(i / 4), true);
      const given = new DataTransfer(), field = document.getElementById('file');
      given.items.add(new File([data], 'one.wav')); field.files = given.files; field.dispatchEvent(new Event('change')); })()"""

    async def look() -> None:
        async with browser.opened(f"http://localhost:{server.port}/", *flags) as page:
            await page.until("window.studio && studio.peer && studio.peer.connectionState === 'connected'", 30)
            tap, stream = Tap(), server.host.streams[-1]
            stream.watch(tap)
            await page.run("document.getElementById('mic').click()")
            await page.until("document.getElementById('mic').ariaPressed === 'true'")
            await page.until("document.getElementById('state').dataset.state === 'speaking'")
            await asyncio.sleep(2.5)  # of which it beeps for a part
            await page.run("document.getElementById('mic').click()")
            await page.until("document.getElementById('state').dataset.state === 'live'")
            assert _loudness([bytes(e.packet) for e in tap.kind("audio")]).max() > 0.01
            tap.encoded.clear()
            await page.run(chosen)
            await page.until("document.getElementById('state').dataset.state === 'speaking'")
            await page.until("document.getElementById('state').dataset.state === 'live'")
            loud = _loudness([bytes(e.packet) for e in tap.kind("audio")]) > 0.1
            assert 0.7 < 0.02 * loud.sum() < 1.3
            assert [(e.kind, e.say) for e in tap.events] == [(kind, n) for n in (1, 2) for kind in ("started", "finished")]
            assert await page.run("document.getElementById('error').textContent") == ""

    asyncio.run(look())


def test_an_offset_is_told_with_its_sign() -> None:
    """A control of the measure itself: sound that is early is positive, and clicks of other flashes do not count."""
    flashes = np.arange(0.0, 5000.0, 1000.0)
    seen = np.array([(at + 40 * n, float(n == 0)) for at in flashes for n in range(25)])
    for shift in (-30.0, 12.0):
        heard = np.array([(at - shift + 3 * n, at - shift + 3 * n + 2) for at in flashes for n in range(10)])
        assert watching.offsets(seen, heard) == pytest.approx(shift)
    assert len(watching.offsets(seen, heard[:0])) == 0 and len(watching.offsets(seen, heard + 500)) == 0
