"""Speech to learn from: our own voices and espeak-ng's say sentences of many languages, and words of them in other orders.

python -m animacy.train.hear_clips --out FOLDER [--voices FOLDER] [--kokoro MINUTES] [--espeak MINUTES]

FOLDER gets NAME.wav and NAME.json for each (hear/clips.py). What is there is kept, so that a killed run goes on. `--voices` is
a folder of further Kokoro-82M voices, NAME.bin of [510, 1, 256] float32, as the npm package kokoro-js 1.2.1 brings them
(Apache-2.0). espeak-ng (GPL-3, the extra `espeak`) only speaks here: nothing of it is in the weights' package.
Same arguments and seed, same clips.
"""

from __future__ import annotations

import argparse
import logging
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import AnimacyError
from ..hear.clips import Clip, save
from ..read import make_reader
from ..speak import VOICES, Kokoro
from ..speak.espeak import Espeak
from ..speak.voices import Voice
from ..stages import Speaker
from ..types import Phone, Sentence, Speech

HERE = Path(__file__).parent
LAST = 0.3  # s of silence after each clip, so that the mouth is seen to come to rest
# espeak-ng's name of a language, and its English and Mandarin accents
ESPEAK = {
    "en": ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029"), "zh": ("cmn",), "de": ("de",), "fr": ("fr-fr",),
    "es": ("es", "es-419"), "it": ("it",), "pt": ("pt-br", "pt"), "nl": ("nl",), "pl": ("pl",), "ru": ("ru",), "tr": ("tr",),
    "sv": ("sv",), "fi": ("fi",), "cs": ("cs",), "hi": ("hi",), "id": ("id",),
}  # fmt: skip
# ... and its ways to sound, without whispers and those that hardly sound like a person
VARIANTS = (
    "", "+m1", "+m2", "+m3", "+m4", "+m5", "+m7", "+f1", "+f2", "+f3", "+f4", "+f5", "+klatt", "+klatt2", "+klatt4", "+Andy",
    "+Annie", "+Alicia", "+Gene", "+Jacky", "+Lee", "+Michael", "+adam", "+anika", "+belinda", "+david", "+ed", "+grandma",
    "+grandpa", "+linda", "+paul", "+rob", "+steph", "+travis", "+victor", "+zac", "+quincy", "+iven", "+caleb", "+boris",
)  # fmt: skip
OFFSETS = {"z": -0.050}  # s by which a voice's phones come late, as measured of those that ship; others -0.07


def texts() -> dict[str, list[str]]:
    """The sentences by language."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in (HERE / "own_feeling.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        text = line.split("\t")[1]
        found["zh" if re.search("[\u4e00-\u9fff]", text) else "en"].append(text)
    for line in (HERE / "hear_sentences.tsv").read_text(encoding="utf-8").splitlines():
        language, text = line.split("\t")
        found[language].append(text)
    return found


class Writer:
    """Makes sentences: those that are written, and as often their words in another order, for other neighbours of sounds."""

    def __init__(self) -> None:
        self.texts = texts()
        self._readers = {language: make_reader(language) for language in self.texts}

    def write(self, language: str, rng: np.random.Generator) -> Sentence:
        own = self.texts[language]
        text = own[int(rng.integers(len(own)))]
        if rng.random() < 0.55:
            size = int(rng.integers(4, 9))
            if language == "zh":
                parts = [p for t in rng.choice(own, 6) for p in re.findall("[\u4e00-\u9fff]{2}", str(t))]
                text = "".join(rng.permutation(parts)[:size]) + "。"
            else:
                parts = [p for t in rng.choice(own, 6) for p in re.findall(r"[^\s,.?!;:¿¡।-]+", str(t))]
                text = " ".join(rng.permutation(parts)[:size]) + "."
        sentence = next(iter(self._readers[language].read(text)))
        excitement, rate = float(rng.uniform(0.0, 1.0)), float(np.exp(rng.uniform(np.log(0.8), np.log(1.3))))
        words = tuple(replace(w, stress=float(np.clip(w.stress + rng.normal(0, 0.2), 0, 1)), rate=rate) for w in sentence.words)
        return replace(sentence, words=words, excitement=excitement)


def spoken(speaker: Speaker, sentence: Sentence, name: str, engine: str, voice: str) -> Clip:
    """All stretches of a sentence as one clip."""
    samples, phones, at = [], [], 0
    for part in speaker.speak(sentence):
        phones += [Phone(p.symbol, p.start + at, p.end + at, p.word) for p in part.phones]
        samples.append(part.samples)
        at += len(part.samples)
    samples.append(np.zeros(round(LAST * speaker.rate), np.float32))
    speech = Speech(np.concatenate(samples), speaker.rate, tuple(phones), ())
    stress = tuple(sentence.words[p.word].stress for p in phones)
    return Clip(name, engine, voice, sentence.language, speech, stress, sentence.excitement)


def kokoros(voices: Path | None, threads: int) -> list[tuple[str, Kokoro]]:
    """Every voice: those that ship, and those in `voices`."""
    first = Kokoro("af_heart", threads)
    found = {name: first.with_voice(name) for name in VOICES}
    for file in sorted(voices.glob("*.bin")) if voices is not None else []:
        if file.stem not in found:
            woman = file.stem[1] == "f"
            offset = OFFSETS.get(file.stem[0], -0.070)
            language, pitch = "zh" if file.stem[0] == "z" else "en", 200.0 if woman else 120.0
            known = Voice(file.stem, language, "woman" if woman else "man", "", 1.0, pitch, offset)
            found[file.stem] = first.with_style(known, np.fromfile(file, "<f4").reshape(510, 256))
    return sorted(found.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--voices", type=Path)
    parser.add_argument("--kokoro", type=float, default=60.0, help="minutes of it (%(default)s)")
    parser.add_argument("--espeak", type=float, default=60.0, help="minutes of it (%(default)s)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", default="0/1", help="K/N: only every N-th clip from K on, for N processes at once")
    arguments = parser.parse_args()
    logging.getLogger("animacy").setLevel(logging.ERROR)  # of espeak-ng's rarer phones
    arguments.out.mkdir(parents=True, exist_ok=True)
    share, shares = map(int, arguments.share.split("/"))
    writer = Writer()
    voices = kokoros(arguments.voices, arguments.threads) if arguments.kokoro else []
    for engine, minutes in (("kokoro", arguments.kokoro), ("espeak", arguments.espeak)):
        seconds, number = 0.0, share
        while seconds < 60 * minutes / shares:
            rng = np.random.default_rng((arguments.seed, engine == "espeak", number))
            name = f"{engine}-{number:05d}"
            number += shares
            if (arguments.out / f"{name}.json").exists():
                seconds += (arguments.out / f"{name}.wav").stat().st_size / 2 / 24000
                continue
            speaker: Speaker
            try:
                if engine == "kokoro":
                    voice, speaker = voices[int(rng.integers(len(voices)))]
                    own = voice.startswith("z") == (rng.random() < 0.9)
                    sentence = writer.write("zh" if own else "en", rng)
                else:
                    language = str(rng.choice(sorted(ESPEAK), p=_shares()))
                    voice = str(rng.choice(ESPEAK[language])) + str(rng.choice(VARIANTS))
                    speaker, sentence = Espeak(voice), writer.write(language, rng)
                clip = spoken(speaker, sentence, name, engine, voice)
            except AnimacyError as error:
                print(f"{name}: {error}", flush=True)
                continue
            if not clip.speech.phones:
                continue
            save(clip, arguments.out)
            seconds += clip.speech.duration
        print(f"{engine}: {seconds / 60:.1f} minutes", flush=True)


def _shares() -> np.ndarray:
    """How often espeak-ng speaks each language: English a quarter, Mandarin an eighth, the others as often as each other."""
    shares = np.array([{"en": 0.25, "zh": 0.125}.get(name, 0.625 / (len(ESPEAK) - 2)) for name in sorted(ESPEAK)])
    found: np.ndarray = shares / shares.sum()
    return found


if __name__ == "__main__":
    main()
