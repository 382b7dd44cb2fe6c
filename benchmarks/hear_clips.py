"""Clips of engines that the network of `animacy.hear` never heard, to judge it by.

    python benchmarks/hear_clips.py piper --model en_US-joe-medium.onnx --out CLIPS   # see below
    python benchmarks/hear_clips.py flite --out CLIPS                                 # needs the command flite
    python benchmarks/hear_clips.py person --sounds FOLDER --out CLIPS                # a person; pip install pocketsphinx
    python benchmarks/hear_clips.py bias CLIPS                                        # against pocketsphinx, see align.py

All only speak here: nothing of them is in the package or in what it learnt from. The person is Allison Smith, who recorded the
prompts of the telephone exchange Asterisk (CC BY-SA 3.0; FOLDER is where asterisk-core-sounds-en-g722 1.6.1 was unpacked,
with its core-sounds-en.txt, which Debian's package of it lacks); pocketsphinx tells which of its dictionary's phones are
heard when. piper (GPL-3) runs in an environment of its own (piper-tts, onnx, av) and tells phone times once
`python -m piper.patch_voice_with_alignment MODEL` has been run. Its times come late: --offset is what `bias` found.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import wave
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from animacy.hear.clips import Clip, load, save
from animacy.hear.file import opened
from animacy.types import Phone, Speech, TimedWord

TEXTS = """My brother bought a small boat and painted it blue.
Please put the empty bottle back on top of the cupboard.
We never thought that five people could move the piano.
Bob and Pam met the mayor in front of the big museum.
The weather was warm, so everybody walked home by the river.
Would you open the window and show me the view?
She chose a simple white dress with a purple belt.
Few of my friends have ever visited a farm in February.
He mumbled something about a broken lamp and left the room.
How about a cup of coffee before the meeting begins?
The judge asked them both to speak loudly and clearly.
A heavy storm blew over the village and damaged many roofs.
You must remember to bring the map, the rope and the lamp.
Father found the missing key under a pile of paper.
The chef prepared mushrooms with butter and a little pepper.
Our new neighbour plays the trumpet every evening.
Who would believe such a beautiful but impossible story?
They stopped beside the bridge and waved at the ship.
The young woman smiled and thanked him for the flowers.
Books about space and time are on the upper shelf.
I would love to live in a house by the sea.
Move the table a bit, the baby cannot pass.
The vet gave the poor puppy some medicine for the fever.
It was the worst movie that we had watched for months.""".splitlines()

# Asterisk's prompts that are sentences
PROMPTS = (
    "agent-alreadyon", "agent-incorrect", "agent-newlocation", "agent-pass", "auth-incorrect", "conf-getchannel",
    "conf-getconfno", "conf-getpin", "conf-invalidpin", "conf-invalid", "conf-kicked", "conf-leaderhasleft", "conf-noempty",
    "conf-nonextended", "conf-now-recording", "conf-onlyone", "conf-onlyperson", "conf-placeintoconf", "conf-waitforleader",
    "dir-multi9", "dir-nomatch", "dir-nomore", "invalid", "pbx-invalidpark", "pbx-parkingfailed", "privacy-incorrect",
    "privacy-prompt", "privacy-unident", "priv-introsaved", "priv-recordintro", "queue-callswaiting", "queue-holdtime",
    "queue-thankyou", "queue-youarenext", "ss-noservice", "tt-monkeysintro", "tt-somethingwrong", "tt-weasels",
    "vm-dialout",
)  # fmt: skip
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

# flite's phone set (radio) in IPA; a vowel and r apart, as it has them
FLITE = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "ay": "aɪ", "b": "b", "ch": "tʃ", "d": "d", "dh": "ð",
    "eh": "ɛ", "er": "ɝ", "ey": "eɪ", "f": "f", "g": "ɡ", "hh": "h", "ih": "ɪ", "iy": "i", "jh": "dʒ", "k": "k", "l": "l",
    "m": "m", "n": "n", "ng": "ŋ", "ow": "oʊ", "oy": "ɔɪ", "p": "p", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t", "th": "θ",
    "uh": "ʊ", "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ",
}  # fmt: skip
SPHINX = {name.upper(): symbol for name, symbol in FLITE.items()}  # pocketsphinx' names are the same
VOICES = ("kal16", "rms", "slt", "awb")
MARKS, PAUSE = "ˈˌːˑʲ", 0.06  # s without a phone between two words that is a pause, and not the way from one to the other


def piper(model: Path, offset: float) -> Iterator[Clip]:
    from piper import PiperVoice

    voice = PiperVoice.load(str(model))
    for number, text in enumerate(TEXTS):
        samples: list[np.ndarray] = []
        phones: list[list] = []  # type: ignore[type-arg]  # symbol, start, end
        at, rate, gap = 0, 22050, False
        for chunk in voice.synthesize(text, include_alignments=True):
            rate = chunk.sample_rate
            held = 0  # samples of marks that belong to the phone that follows
            for part in chunk.phoneme_alignments or ():
                count = int(part.num_samples)
                if part.phoneme in "ˈˌ":
                    held += count
                elif part.phoneme in MARKS and phones:
                    phones[-1][2] += count
                elif part.phoneme.isalpha():
                    start = at - held
                    if phones and not gap and start - phones[-1][2] < PAUSE * rate:
                        phones[-1][2] = start
                    phones.append([part.phoneme, start, at + count])
                    held, gap = 0, False
                else:  # a space, punctuation, begin and end
                    gap = gap or part.phoneme in ",.?!;:"
                    held = 0
                at += count
            samples.append(chunk.audio_float_array)
        shift = round(offset * rate)
        yield _clip(f"piper-{number:03d}", "piper", model.stem, np.concatenate(samples), rate, phones, shift)


def flite(voices: tuple[str, ...]) -> Iterator[Clip]:
    for voice in voices:
        for number, text in enumerate(TEXTS):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "a.wav"
                told = subprocess.run(
                    ["flite", "-voice", voice, "-psdur", "-t", text, "-o", str(file)],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
                with wave.open(str(file), "rb") as sound:
                    rate = sound.getframerate()
                    samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.float32) / 32768.0
            phones, before = [], 0
            for part in told.split():
                name, seconds = part.split(":")
                end = round(float(seconds) * rate)
                if name in FLITE:
                    phones.append([FLITE[name], before, end])
                before = end
            yield _clip(f"flite-{voice}-{number:03d}", "flite", voice, samples, rate, phones, 0)


def _clip(name: str, engine: str, voice: str, samples: np.ndarray, rate: int, phones: list, shift: int) -> Clip:  # type: ignore[type-arg]
    moved = tuple(Phone(s, max(a + shift, 0), max(b + shift, 0), i) for i, (s, a, b) in enumerate(phones))
    samples = np.concatenate([samples, np.zeros(round(0.3 * rate), np.float32)]).astype(np.float32)
    return Clip(name, engine, voice, "en", Speech(samples, rate, moved, ()))


def person(folder: Path) -> Iterator[Clip]:
    import align

    texts = dict(re.findall(r"^([\w-]+): (.+)$", (folder / "core-sounds-en.txt").read_text(encoding="utf-8"), re.M))
    for name in PROMPTS:
        text = re.sub("[0-9]", lambda found: f" {DIGITS[int(found[0])]} ", texts[name])
        with opened(folder / f"{name}.g722") as sound:
            samples, rate = np.concatenate(list(sound.pieces)), sound.rate
        found = align.forced(re.findall("[a-z']+", text.lower()), align.to_16k(samples, rate))
        if found is None:
            raise SystemExit(
                f"{name}: pocketsphinx does not find {text!r}; needed prompts of asterisk-core-sounds-en-g722 1.6.1"
            )
        phones = [
            [SPHINX[phone.name], round(phone.start * rate / 100), round((phone.start + phone.duration) * rate / 100)]
            for word in found
            for phone in word
            if phone.name in SPHINX  # and no silence
        ]
        yield _clip(f"person-{name}", "person-en", "allison", samples, rate, phones, 0)


def bias(folder: Path) -> None:
    """How late each voice's phones come after the aligner's, median over all starts."""
    import align

    align.ARPABET |= {"ɐ": "AH", "ɜ": "ER", "ᵻ": "IH", "o": "OW", "a": "AA", "e": "EY", "ɚ": "ER", "r": "R", "i": "IY"}
    found: dict[str, list[float]] = defaultdict(list)
    for clip in load(folder):
        if clip.language != "en" or any(p.symbol not in align.ARPABET for p in clip.speech.phones):
            continue
        phones, words, word, before = [], [], -1, -1
        for p in clip.speech.phones:
            if p.start - before > PAUSE * clip.speech.rate or word < 0:
                word += 1
                words.append(TimedWord(word, p.start, p.end))
            before = p.end
            phones.append(Phone(p.symbol, p.start, p.end, word))
        speech = Speech(clip.speech.samples, clip.speech.rate, tuple(phones), tuple(words))
        for _, start, i in align.aligned(speech) or []:
            found[f"{clip.engine} {clip.voice}"].append(phones[i].start / speech.rate - start)
    for name, errors in sorted(found.items()):
        spread = np.percentile(errors, [10, 90])
        print(f"{name}: {len(errors)} starts, median {1000 * np.median(errors):+.0f} ms, 10 to 90 %: {spread * 1000}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("piper", "flite", "person", "bias"))
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--sounds", type=Path, help="of the person")
    parser.add_argument("--offset", type=float, default=0.0, help="s to add to piper's times")
    args = parser.parse_args()
    if args.what == "bias":
        bias(args.folder)
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    made = {
        "piper": lambda: piper(args.model, args.offset),
        "flite": lambda: flite(VOICES),
        "person": lambda: person(args.sounds),
    }
    for clip in made[args.what]():
        save(clip, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
