"""What a viewer in a real browser sees and hears; here it only has to be sane, benchmarks/live_browser.py takes the figures."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

import browser
import watching
from live import Running, serving

pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

TEXT = "one two three four five six seven eight. " * 8


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving() as running:
        watching.mark(running.host)
        yield running


def test_flashes_and_clicks_come_together_and_replies_begin_and_stop(server: Running) -> None:
    async def look() -> None:
        async with browser.opened(f"http://localhost:{server.port}/") as page:
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


def test_an_offset_is_told_with_its_sign() -> None:
    """A control of the measure itself: sound that is early is positive, and clicks of other flashes do not count."""
    flashes = np.arange(0.0, 5000.0, 1000.0)
    seen = np.array([(at + 40 * n, float(n == 0)) for at in flashes for n in range(25)])
    for shift in (-30.0, 12.0):
        heard = np.array([(at - shift + 3 * n, at - shift + 3 * n + 2) for at in flashes for n in range(10)])
        assert watching.offsets(seen, heard) == pytest.approx(shift)
    assert len(watching.offsets(seen, heard[:0])) == 0 and len(watching.offsets(seen, heard + 500)) == 0
