"""Which speaker says it."""

from __future__ import annotations

from collections.abc import Iterator

from ..stages import Speaker
from ..types import Sentence, Speech
from .kokoro import Kokoro
from .voices import voice_for


class ByLanguage:
    """A Speaker: each sentence by the voice of its language, out of one network (an accent disturbs more than a new voice)."""

    rate = Kokoro.rate

    def __init__(self, threads: int = 2) -> None:
        english = Kokoro(voice_for("en"), threads)
        self._speakers = {"en": english, "zh": english.with_voice(voice_for("zh"))}

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        """Say one sentence in one or more stretches of 24 kHz mono."""
        return self._speakers[sentence.language].speak(sentence)


def make_speaker(voice: str | None = None) -> Speaker:
    """The speaker for `voice`: a name of VOICES, `espeak:LANGUAGE` for espeak-ng (an extra), or None for one by language.

    Raises UsageError for an unknown voice, AnimacyError where its engine is not installed.
    """
    if voice is None:
        return ByLanguage()
    if voice.startswith("espeak:"):
        from .espeak import Espeak

        return Espeak(voice.removeprefix("espeak:"))
    return Kokoro(voice)
