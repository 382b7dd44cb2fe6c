"""Speech for many sessions out of one network: bounded, and not made twice."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from ..errors import UsageError
from ..stages import Speaker
from ..types import Language, Sentence, Speech

KEPT = 64  # sentences whose speech is kept, about 0.3 MB each


class SharedVoice:
    """A Speaker for several threads: by language one of `speakers`, which all have one rate.

    `room` bounds how many stretches are made at a time, over all voices that share it: speech is the dearest stage on a CPU,
    and two made beside each other both come later. The KEPT sentences that were said last are kept, and not made again.
    """

    def __init__(self, speakers: Mapping[Language, Speaker], room: threading.Semaphore) -> None:
        self.rate = next(iter(speakers.values())).rate
        self._speakers, self._room = dict(speakers), room
        self._kept: OrderedDict[str, tuple[Speech, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        """Say one sentence in one or more stretches. Raises UsageError for a language that no voice here speaks."""
        speaker = self._speakers.get(sentence.language)
        if speaker is None:
            raise UsageError(f"no voice here speaks {sentence.language!r}: needed {', '.join(self._speakers)}")
        key = json.dumps(sentence.as_json() | {"language": sentence.language, "texts": [w.spoken for w in sentence.words]})
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
        if kept is not None:
            yield from kept
            return
        made = []
        stretches = speaker.speak(sentence)
        while True:
            with self._room:
                stretch = next(stretches, None)
            if stretch is None:
                break
            made.append(stretch)
            yield stretch
        with self._lock:
            self._kept[key] = tuple(made)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
