"""Festival as a speaker to learn from: a dozen persons' voices, robotic in their tune but of human timbre, with exact times.

The command `festival` 2.5 says each sentence in a process of its own, so that no clip depends on those before. Nothing of it or
of its voices is in this project: they are used for their sound. VOICES are those of Debian whose licence allows any use of it
(as Festival's own, BSD, LGPL or GPL). Not among them: festvox-kallpc16k, whose voice is flite's kal16, by which is judged, and
festvox-mr-nsk and -te-nsk, Marathi and Telugu in the recordings of the Hindi voice.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import unicodedata
import wave
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import AnimacyError
from ..speak.prosody import mark_after
from ..types import Phone, Sentence, Speech, TimedWord

SECONDS = 60.0  # that one sentence may take
PITCH = (0.8, 1.25)  # of the voice's own that is asked for; Festival's voices of statistics and of whole units keep theirs
OVER = 0.002  # s that a peak lasts which is too loud for 16 bits
_FASTER = 31 / 165  # so much faster, of 1, full excitement speaks: as much as espeak-ng's
_SEGMENT = re.compile(r"segment (\S+) (\d+\.\d+) (\d+)")

SCRIPT = """(voice_{voice})
(set! after_synth_hooks nil) ; the Czech voices' makes all louder, and cuts peaks off
(Param.set 'Duration_Stretch (/ (Param.get 'Duration_Stretch) {pace:.4f}))
(if (symbol-bound? 'hts_engine_params)
    (set! hts_engine_params (append hts_engine_params '(("-r" {pace:.4f})))))
(define (higher utt)
  (mapcar (lambda (target) (item.set_feat target "f0" (* {pitch:.4f} (item.feat target "f0"))))
    (utt.relation.leafs utt 'Target))
  utt)
(set! after_analysis_hooks (append after_analysis_hooks (list higher)))
(set! said (utt.synth (Utterance Text "{text}")))
(utt.save.wave said "{file}" 'riff)
(set! count 0)
(set! token (utt.relation.first said 'Token))
(while token
  (set! count (+ count 1))
  (item.set_feat token "count" count)
  (set! token (item.next token)))
(mapcar
  (lambda (segment)
    (format t "segment %s %f %d\\n" (item.name segment) (item.feat segment "end")
      (item.feat segment "R:SylStructure.parent.parent.R:Token.parent.count")))
  (utt.relation.items said 'Segment))
"""

# Phone sets in IPA; "" is silence. Consonants that are doubled for length stand for themselves.
RADIO = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "axr": "ɚ", "ay": "aɪ", "b": "b", "ch": "tʃ", "d": "d",
    "dh": "ð", "dx": "ɾ", "eh": "ɛ", "el": "əl", "em": "əm", "en": "ən", "er": "ɝ", "ey": "eɪ", "f": "f", "g": "ɡ", "hh": "h",
    "hv": "ɦ", "ih": "ɪ", "iy": "i", "jh": "dʒ", "k": "k", "l": "l", "m": "m", "n": "n", "ng": "ŋ", "nx": "n", "ow": "oʊ",
    "oy": "ɔɪ", "p": "p", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t", "th": "θ", "uh": "ʊ", "uw": "u", "v": "v", "w": "w",
    "y": "j", "z": "z", "zh": "ʒ", "pau": "", "h#": "", "brth": "",
}  # fmt: skip
ITALIAN = {
    "i": "i", "e": "e", "E": "ɛ", "a": "a", "o": "o", "O": "ɔ", "u": "u", "i1": "i", "e1": "e", "E1": "ɛ", "a1": "a",
    "o1": "o", "O1": "ɔ", "u1": "u", "j": "j", "w": "w", "p": "p", "t": "t", "k": "k", "b": "b", "d": "d", "g": "ɡ", "f": "f",
    "s": "s", "S": "ʃ", "v": "v", "z": "z", "Z": "ʒ", "ts": "ts", "tS": "tʃ", "dz": "dz", "dZ": "dʒ", "m": "m", "n": "n",
    "J": "ɲ", "ng": "ŋ", "nf": "ɱ", "l": "l", "L": "ʎ", "r": "r", "#": "",
}  # fmt: skip
_SHORT = {
    "a": "ɑ", "e": "e", "i": "i", "o": "o", "u": "u", "y": "y", "@": "æ", "7": "ø", "p": "p", "t": "t", "k": "k", "b": "b",
    "d": "d", "g": "ɡ", "f": "f", "T": "θ", "s": "s", "S": "ʃ", "h": "h", "v": "ʋ", "m": "m", "n": "n", "N": "ŋ", "l": "l",
    "L": "l", "r": "r", "j": "j", "w": "w",
}  # fmt: skip
FINNISH = _SHORT | {f"{name}:": symbol for name, symbol in _SHORT.items()}
FINNISH |= {"&": "ə", "D:": "ð", "z:": "z", "Z:": "ʒ", "#": "", "##": ""}
CZECH = {
    "a": "a", "a:": "a", "b": "b", "c": "ts", "c~": "tʃ", "ch": "x", "d": "d", "d~": "ɟ", "dz": "dz", "dz~": "dʒ", "e": "ɛ",
    "e:": "ɛ", "f": "f", "g": "ɡ", "h": "ɦ", "i": "ɪ", "i:": "i", "j": "j", "k": "k", "l": "l", "m": "m", "n": "n", "n*": "ŋ",
    "n~": "ɲ", "o": "o", "o:": "o", "p": "p", "r": "r", "r~": "r̝", "r~*": "r̝̊", "s": "s", "s~": "ʃ", "t": "t", "t~": "c",
    "u": "u", "u:": "u", "v": "v", "z": "z", "z~": "ʒ", "_": "ʔ", "#": "",
}  # fmt: skip
RUSSIAN = {
    "ii": "i", "yy": "ɨ", "uu": "u", "ee": "e", "oo": "o", "aa": "a", "a": "ɐ", "e": "ɪ", "i": "ɪ", "y": "ɨ", "u": "ʊ",
    "ae": "ə", "ay": "ə", "ur": "ʊ", "p": "p", "pp": "pʲ", "b": "b", "bb": "bʲ", "t": "t", "tt": "tʲ", "d": "d", "dd": "dʲ",
    "k": "k", "kk": "kʲ", "g": "ɡ", "gg": "ɡʲ", "c": "ts", "ch": "tɕ", "f": "f", "ff": "fʲ", "v": "v", "vv": "vʲ", "s": "s",
    "ss": "sʲ", "z": "z", "zz": "zʲ", "sh": "ʂ", "sch": "ɕ", "zh": "ʐ", "h": "x", "hh": "xʲ", "m": "m", "mm": "mʲ", "n": "n",
    "nn": "nʲ", "l": "ɫ", "ll": "lʲ", "r": "r", "rr": "rʲ", "j": "j", "pau": "",
}  # fmt: skip
HINDI = {
    "a": "ɐ", "aa": "a", "ih": "ɪ", "iy": "i", "uh": "ʊ", "uw": "u", "eh": "e", "ee": "e", "ay": "aɪ", "oh": "o", "oo": "o",
    "aw": "aʊ", "f": "f", "k": "k", "g": "ɡ", "ch": "tʃ", "T": "ʈ", "D": "ɖ", "N": "ɳ", "th": "t", "dh": "d", "n": "n",
    "p": "p", "b": "b", "m": "m", "y": "j", "r": "r", "l": "l", "v": "ʋ", "L": "ɭ", "R": "r", "s": "s", "sh": "ʃ", "j": "dʒ",
    "h": "h", "ksh": "kʂ", "sri": "ʃr", "kh": "kʰ", "gh": "ɡʰ", "td": "ʈ", "tth": "tʰ", "ddh": "dʰ", "bh": "bʰ", "zh": "ɻ",
    "@": "æ", "w": "w", "x": "", "pau": "",
}  # fmt: skip
CATALAN = {
    "ax": "ə", "a": "a", "a1": "a", "b": "b", "d": "d", "e": "e", "e1": "e", "E": "ɛ", "E1": "ɛ", "f": "f", "g": "ɡ", "i": "i",
    "i1": "i", "j": "j", "J": "ɲ", "k": "k", "l": "l", "L": "ʎ", "m": "m", "n": "n", "o": "o", "o1": "o", "O": "ɔ", "O1": "ɔ",
    "p": "p", "r": "ɾ", "rr": "r", "s": "s", "S": "ʃ", "t": "t", "u": "u", "u1": "u", "w": "w", "z": "z", "Z": "ʒ", "pau": "",
    "_": "", "#": "",
}  # fmt: skip


class Voice(NamedTuple):
    """A voice of Festival's: of which Debian packages, what it reads, in which coding, its phones and samples a second; and
    how often it is taken."""

    package: str
    language: str
    coding: str
    phones: Mapping[str, str]
    rate: int
    share: float = 1.0


ENGLISH = 6.4  # how often, so that each of two English voices has a good quarter
VOICES = {
    "ked_diphone": Voice("festvox-kdlpc16k", "en", "ascii", RADIO, 16000, ENGLISH),
    "cmu_us_slt_arctic_hts": Voice("festvox-us-slt-hts", "en", "ascii", RADIO, 32000, ENGLISH),
    "lp_diphone": Voice("festvox-italp16k", "it", "latin-1", ITALIAN, 16000),
    "pc_diphone": Voice("festvox-itapc16k", "it", "latin-1", ITALIAN, 16000),
    "suo_fi_lj_diphone": Voice("festvox-suopuhe-lj", "fi", "latin-1", FINNISH, 22050),
    "hy_fi_mv_diphone": Voice("festvox-suopuhe-mv", "fi", "latin-1", FINNISH, 22050),
    "czech_dita": Voice("festvox-czech-dita", "cs", "iso8859-2", CZECH, 32000),
    "czech_krb": Voice("festvox-czech-krb", "cs", "iso8859-2", CZECH, 32000),
    "czech_machac": Voice("festvox-czech-machac", "cs", "iso8859-2", CZECH, 32000),
    "czech_ph": Voice("festvox-czech-ph", "cs", "iso8859-2", CZECH, 44100),
    "msu_ru_nsh_clunits": Voice("festvox-ru", "ru", "utf-8", RUSSIAN, 16000),
    "hindi_NSK_diphone": Voice("festival-hi festvox-hi-nsk", "hi", "utf-8", HINDI, 16000),
    "upc_ca_ona_hts": Voice("festvox-ca-ona-hts", "es", "iso8859-15", CATALAN, 16000),  # Catalan, which reads Spanish its way
}

# Words of no language come in Latin letters; so a voice of another script reads them
_CYRILLIC = str.maketrans(dict(zip("abcdefghijklmnopqrstuvwxyz", "абцдефгхижклмнопкрстуввксйз", strict=False)))
_DEVANAGARI = {
    "b": "ब", "c": "च", "ch": "च", "d": "द", "f": "फ", "g": "ग", "h": "ह", "j": "ज", "k": "क", "l": "ल", "m": "म", "n": "न",
    "p": "प", "q": "क", "r": "र", "s": "स", "t": "त", "v": "व", "w": "व", "x": "क", "y": "य", "z": "ज",
}  # fmt: skip
_FIRST = {"a": "आ", "e": "ए", "i": "इ", "o": "ओ", "u": "उ", "ai": "ऐ", "au": "औ"}
_LATER = {"a": "ा", "e": "े", "i": "ि", "o": "ो", "u": "ु", "ai": "ै", "au": "ौ"}
_VIRAMA = "्"


def spelt(word: str, language: str) -> str:
    """A word in Latin letters in those that `language` is written in; others stay as they are."""
    if language not in ("ru", "hi") or not re.search("[a-z]", word):
        return word
    if language == "ru":
        return word.replace("ch", "ч").translate(_CYRILLIC)
    found, bare = "", False  # bare: after a consonant
    for part in re.findall("ch|ai|au|[a-z]|[^a-z]+", word):
        if part in _DEVANAGARI:
            found += (_VIRAMA if bare else "") + _DEVANAGARI[part]
        else:
            found += (_LATER if bare else _FIRST).get(part, part)
        bare = part in _DEVANAGARI
    return found + (_VIRAMA if bare else "")


def encoded(text: str, coding: str) -> bytes:
    """The letters, digits and plain punctuation of `text`, as a Scheme string takes them; no accents that `coding` lacks."""

    def kept(c: str) -> bool:
        return c in " ,.?!'" or unicodedata.category(c)[0] in "LMN"

    def known(c: str) -> bytes:
        for form in (c, unicodedata.normalize("NFD", c)[0]):
            try:
                return form.encode(coding)
            except UnicodeEncodeError:
                pass
        return b""

    return b"".join(known(c) for c in unicodedata.normalize("NFC", text) if kept(c))


def segments(told: str) -> list[tuple[str, float, int]]:
    """Each segment's name, its end in s, and which token it is of, from 1 on; 0 for none. Lines of other kinds are left out."""
    found = (_SEGMENT.fullmatch(line) for line in told.splitlines())
    return [(m[1], float(m[2]), int(m[3])) for m in found if m is not None]


def whole(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Samples -1..1 without the clicks of diphone voices, whose peaks above 16 bits come out with the other sign: what lies
    between a leap and one back, OVER s later at most, is taken to be such a peak."""
    found = samples.astype(np.float32)
    leaps = np.flatnonzero(np.abs(np.diff(samples)) > 1.0)
    k = 0
    while k + 1 < len(leaps):
        here, there = leaps[k], leaps[k + 1]
        down = samples[here + 1] < samples[here]
        if down == (samples[there + 1] > samples[there]) and there - here <= OVER * rate:
            found[here + 1 : there + 1] += 2.0 if down else -2.0
            k += 1
        k += 1
    return found / np.float32(max(float(np.abs(found).max(initial=0.0)), 1.0))


def _asked(script: bytes) -> str:
    """What Festival answers to Scheme. Raises AnimacyError in one line where it does not."""
    try:
        done = subprocess.run(["festival", "--pipe"], input=script, capture_output=True, timeout=SECONDS)
    except FileNotFoundError as error:
        packages = " ".join(voice.package for voice in VOICES.values())
        raise AnimacyError(f"festival is not installed; on Debian: apt install festival {packages}") from error
    except subprocess.TimeoutExpired as error:
        raise AnimacyError(f"festival gave no answer in {SECONDS:.0f} s") from error
    if done.returncode != 0:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise AnimacyError(f"festival failed ({done.returncode}): {told[-1] if told else 'it says nothing'}")
    return done.stdout.decode("utf-8", "replace")


def check() -> None:
    """Raises AnimacyError in one line where Festival or one of VOICES is missing, or does not load."""
    script = "\n".join(f'(begin (voice_{name}) (format t "here {name}\\n"))' for name in VOICES)
    there = _asked(script.encode()).splitlines()  # an error ends its own line of the script alone
    missing = [voice.package for name, voice in VOICES.items() if f"here {name}" not in there]
    if missing:
        raise AnimacyError(f"festival has not all voices; on Debian: apt install {' '.join(missing)}")


class Festival:
    """A Speaker. `voice` is one of VOICES; `pitch` what its own is multiplied by, where it can be.

    Raises AnimacyError in one line where Festival is missing, fails or says a phone that is not in the voice's table.
    """

    def __init__(self, voice: str, pitch: float = 1.0) -> None:
        self.name, self.voice, self.pitch = voice, VOICES[voice], pitch
        self.rate = self.voice.rate

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        """Say one sentence as one stretch, without its pauses, at the pace of its first word."""
        language, coding = self.voice.language, self.voice.coding
        said, owners = [], []  # what is said, and of which word each token of it is
        for index, word in enumerate(sentence.words):
            for part in (word.spoken or word.text).split():
                token = encoded(spelt(part.lower() if coding == "ascii" else part, language), coding)
                if re.search(rb"[^ ,.?!']", token):
                    said.append(token)
                    owners.append(index)
            if said:
                said[-1] += encoded(mark_after(word), coding)
        if not said:
            raise AnimacyError(f"{self.name} cannot read {sentence.text!r}")
        pace = (1.0 + _FASTER * sentence.excitement) * sentence.words[0].rate
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "a.wav"
            text = b" ".join(said).decode("latin-1")  # bytes of any coding, as they are
            script = SCRIPT.format(voice=self.name, pace=pace, pitch=self.pitch, text=text, file=file)
            told = _asked(script.encode("latin-1"))
            try:
                with wave.open(str(file), "rb") as sound:
                    if (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) != (1, 2, self.rate):
                        raise AnimacyError(f"{self.name} gives {sound.getframerate()} samples a second; known is {self.rate}")
                    samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.float32) / 32768.0
            except (OSError, EOFError, wave.Error) as error:
                raise AnimacyError(f"{self.name} says nothing for {sentence.text!r}: {error}") from error
        samples = whole(samples, self.rate)
        phones: list[Phone] = []
        before, word_index = 0, owners[0]
        if not (spoken := segments(told)):
            raise AnimacyError(f"{self.name} tells no segments for {sentence.text!r}")
        for name, end, number in spoken:
            if name not in self.voice.phones:
                raise AnimacyError(f"{self.name} says {name!r}, which train/festival.py has no sound of the IPA for")
            if number:
                word_index = owners[min(number, len(owners)) - 1]
            stop = min(max(round(end * self.rate), before), len(samples))
            if (symbol := self.voice.phones[name]) and stop > before:
                phones.append(Phone(symbol, before, stop, word_index))
            before = stop
        timed, last = [], 0
        for index in range(len(sentence.words)):
            own = [p for p in phones if p.word == index]
            timed.append(TimedWord(index, own[0].start, own[-1].end) if own else TimedWord(index, last, last))
            last = timed[-1].end
        yield Speech(samples, self.rate, tuple(phones), tuple(timed))
