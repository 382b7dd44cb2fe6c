"""Texts in, stretches of speech out, made in a thread of their own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import numpy as np

from ..ahead import HaltedError, ahead
from ..errors import AnimacyError
from ..stages import Reader, Speaker
from ..types import Sentence, Speech

QUEUED = 64  # texts that wait to be said
AHEAD = 2  # stretches that are spoken ahead

_log = logging.getLogger(__name__)
_reading = threading.Lock()  # the reader's embedding is one for all, and not made for two threads


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of speech, or with neither sentence nor speech a text's end."""

    epoch: int
    say: int  # the text's number
    sentence: Sentence | None = None
    speech: Speech | None = None
    failure: str = ""  # why the text could not be said to its end


class Speaking:
    """Reads and speaks texts in order, at most AHEAD stretches ahead of `poll`; QUEUED texts may wait.

    What was given in an older epoch than the present is dropped. A text that fails ends with a failure; the next is said.
    """

    def __init__(self, reader: Reader, speaker: Speaker) -> None:
        self.epoch = 0
        self._reader, self._speaker, self._rate = reader, speaker, speaker.rate
        self._inbox: queue.Queue[tuple[int, int, str] | None] = queue.Queue(QUEUED)
        with ExitStack() as stack:
            self._stretches = stack.enter_context(ahead(self._speak(), AHEAD))
            self._thread = stack.pop_all()

    def put(self, say: int, text: str) -> None:
        """Say `text`, number `say`, after those before. Raises AnimacyError if QUEUED texts wait."""
        try:
            self._inbox.put_nowait((self.epoch, say, text))
        except queue.Full:
            raise AnimacyError(f"{QUEUED} texts wait to be said already: wait until some are, or interrupt") from None

    def poll(self) -> Stretch | None:
        """The next stretch of this epoch, or None if it is not there yet."""
        while (stretch := self._stretches.poll()) is not None and stretch.epoch != self.epoch:
            pass
        return stretch

    def drop(self) -> None:
        """Raise the epoch: all that was put is dropped, and what is being made is not made to its end."""
        self.epoch += 1
        with suppress(queue.Empty):
            while True:
                self._inbox.get_nowait()
        self._stretches.halt()

    def close(self) -> None:
        """End the thread, after the stretch that it is working on if that cannot be halted.

        To be called once, with no `put` beside it.
        """
        self.drop()
        self._inbox.put_nowait(None)
        self._thread.close()

    def _speak(self) -> Generator[Stretch, None, None]:
        while (given := self._inbox.get()) is not None:
            epoch, say, text = given
            failure = "nothing to say"
            try:
                for sentence, speech in self._spoken(epoch, text):
                    failure = ""
                    yield Stretch(epoch, say, sentence, speech)
            except HaltedError:
                continue
            except Exception as error:  # of one text
                _log.warning("a text could not be said: %s", error, exc_info=not isinstance(error, AnimacyError))
                failure = str(error) or type(error).__name__
            yield Stretch(epoch, say, failure=failure)

    def _spoken(self, epoch: int, text: str) -> Iterator[tuple[Sentence, Speech]]:
        with _reading:
            sentences = self._reader.read(text)
        while epoch == self.epoch:
            with _reading:
                sentence = next(sentences, None)
            if sentence is None:
                return
            for speech in self._speaker.speak(sentence):
                if speech.rate != self._rate or not np.isfinite(speech.samples).all():
                    raise AnimacyError(f"speech at {speech.rate} Hz: needed finite samples at {self._rate} Hz")
                if epoch != self.epoch:
                    return
                yield sentence, speech
