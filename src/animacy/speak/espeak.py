"""espeak-ng as a speaker: a hundred languages, robotic but exact. GPL-3: an optional extra, never imported unless asked for.

The library tells when each word and phoneme begins, in samples; nothing has to be calibrated.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Iterator, Sequence

import numpy as np

from ..errors import AnimacyError, UsageError
from ..types import Phone, Sentence, Speech, TimedWord, Word
from .prosody import delayed, mark_after, runs, with_volume

# Values of espeak-ng's speak_lib.h, version 1.52.
_SYNCHRONOUS, _PHONEME_EVENTS, _PHONEME_IPA, _DONT_EXIT = 2, 1, 2, 0x8000
_WORD, _PHONEME, _LIST_TERMINATED = 1, 7, 0
_UTF8, _RATE_PARAMETER = 1, 1
_MARKS = re.compile("[ˈˌːˑ̩̯̃ʲ|.0-9_˥˦˧˨˩-]")
_AFTER = {"": 0.12, ",": 0.2, ";": 0.3, ":": 0.3, "—": 0.25}  # seconds of silence; 0.45 after a sentence
_LEAD = 0.12  # ... and before it
_lock = threading.Lock()  # the library has one state a process


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Espeak:
    """A Speaker. `language` is an espeak-ng voice such as "en-us", "fr", "de" or "cmn".

    Raises AnimacyError where the extra is not installed, UsageError for a language that espeak-ng does not have.
    """

    def __init__(self, language: str = "en-us") -> None:
        try:
            import espeakng_loader  # type: ignore[import-not-found,import-untyped,unused-ignore]
        except ImportError as e:
            raise AnimacyError("espeak-ng is not installed; it is an extra under the GPL: pip install 'animacy[espeak]'") from e
        self.language = language
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        with _lock:
            flags = _PHONEME_EVENTS | _PHONEME_IPA | _DONT_EXIT
            self.rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, flags)
            if self.rate <= 0:
                raise AnimacyError(
                    "espeak-ng did not start; reinstall it: pip install --force-reinstall espeakng-loader==0.2.4"
                )
            if self._library.espeak_SetVoiceByName(language.encode()) != 0:
                raise UsageError(f"espeak-ng has no voice {language!r}; try en-us, fr, de, es, cmn and the like")

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        """Say one sentence in mono at `rate`, as one stretch unless a pause or another rate parts it.

        Excitement sets the pace, 165 to 196 words a minute. Raises UsageError for a word whose phonemes are given.
        """
        for start, end in runs(sentence.words):
            speech = with_volume(self._say(sentence, start, end), sentence.words)
            yield delayed(speech, sentence.pause) if start == 0 else speech

    def _say(self, sentence: Sentence, first: int, last: int) -> Speech:
        text, bounds = "", []  # bounds: where each word begins in the text that is said
        words = sentence.words[first:last]
        for word in words:
            if word.phonemes:
                raise UsageError(f"espeak-ng cannot say {word.text!r} by given phonemes: take another --voice")
            bounds.append(len(text))
            text += (word.spoken or word.text) + mark_after(word) + " "
        chunks: list[np.ndarray] = []
        marks: list[tuple[int, int, int, str]] = []  # type, sample, position in text (from 1), phoneme

        def hear(wave: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
            if wave and count > 0:
                chunks.append(np.ctypeslib.as_array(wave, (count,)).astype(np.float32) / 32768)
            i = 0
            while events[i].type != _LIST_TERMINATED:
                e = events[i]
                if e.type in (_WORD, _PHONEME):
                    marks.append((e.type, e.sample, e.text_position, e.id.decode("utf-8", "ignore")))
                i += 1
            return 0

        callback = _Callback(hear)
        encoded = text.encode()
        pace = round((165 + 31 * sentence.excitement) * words[0].rate)
        with _lock:
            self._library.espeak_SetVoiceByName(self.language.encode())
            self._library.espeak_SetParameter(_RATE_PARAMETER, pace, 0)
            self._library.espeak_SetSynthCallback(callback)
            self._library.espeak_Synth(encoded, ctypes.c_size_t(len(encoded) + 1), 0, 1, 0, _UTF8, None, None)
            self._library.espeak_Synchronize()
        return self._speech(chunks, marks, bounds, words, first)

    def _speech(
        self,
        chunks: list[np.ndarray],
        marks: list[tuple[int, int, int, str]],
        bounds: list[int],
        words: Sequence[Word],
        first: int,
    ) -> Speech:
        lead = round(_LEAD * self.rate)
        asked = words[-1].pause
        rest = round((_AFTER.get(words[-1].after, 0.45) if asked is None else max(asked - _LEAD, 0.0)) * self.rate)
        audio = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
        loud = np.flatnonzero(np.abs(audio) > 0.003)
        end = int(loud[-1]) + self.rate // 100 if len(loud) else len(audio)
        audio = audio[:end]
        samples = np.concatenate([np.zeros(lead, np.float32), audio, np.zeros(rest, np.float32)])
        phones: list[Phone] = []
        word = 0
        for k, (kind, at, position, name) in enumerate(marks):
            if kind == _WORD:
                word = max(i for i, b in enumerate(bounds) if b <= position - 1 or i == 0)
            elif symbol := _MARKS.sub("", name):
                after = next((m[1] for m in marks[k + 1 :] if m[0] == _PHONEME), end)
                start, stop = min(at, end) + lead, min(after, end) + lead
                if stop > start:
                    phones.append(Phone(symbol, start, stop, first + word))
        timed, last = [], lead
        for i in range(first, first + len(words)):
            own = [p for p in phones if p.word == i]
            timed.append(TimedWord(i, own[0].start, own[-1].end) if own else TimedWord(i, last, last))
            last = timed[-1].end
        return Speech(samples.astype(np.float32), self.rate, tuple(phones), tuple(timed))
