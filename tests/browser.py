"""Headless Chromium by the DevTools protocol, no more of it than the tests need."""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """One page of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json(timeout=30)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        asked = {"expression": script, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        result = await self.call("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, script: str, seconds: float = 15) -> Any:
        """The value of `script` once it is true."""
        ends = asyncio.get_running_loop().time() + seconds
        while not (value := await self.run(script)):
            assert asyncio.get_running_loop().time() < ends, f"not within {seconds} s: {script}"
            await asyncio.sleep(0.05)
        return value

    async def size(self, width: int, height: int, phone: bool = False) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone
        )

    async def picture(self, path: Path) -> None:
        path.write_bytes(
            base64.b64decode((await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True))["data"])
        )


@asynccontextmanager
async def opened(url: str, *more: str, inject: bool = False) -> AsyncIterator[Page]:
    """A page at `url` in a browser of its own, which ends with the block. more: flags. inject: let its policy be."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
        flags += ["--autoplay-policy=no-user-gesture-required", "--no-first-run", "--disable-extensions", "--mute-audio", *more]
        browser = subprocess.Popen([CHROMIUM, *flags, "about:blank"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            assert browser.stderr is not None
            port = None
            while port is None:
                line = (await asyncio.to_thread(browser.stderr.readline)).decode()
                assert line, "the browser has ended"
                port = re.search(r"ws://127.0.0.1:(\d+)/", line)
            draining = asyncio.create_task(asyncio.to_thread(browser.stderr.read))
            async with aiohttp.ClientSession() as client:
                async with client.get(f"http://127.0.0.1:{port[1]}/json") as answer:
                    target = next(t for t in await answer.json() if t["type"] == "page")
                async with client.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    page = Page(socket)
                    await page.call("Page.enable")
                    await page.call("Page.setBypassCSP", enabled=inject)
                    await page.call("Page.navigate", url=url)
                    await page.until("document.readyState === 'complete' && location.href !== 'about:blank'")
                    yield page
            browser.terminate()
            await draining
        finally:
            browser.kill()
            browser.wait()
            if browser.stderr is not None:
                browser.stderr.close()
