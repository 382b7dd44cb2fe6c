"""Phone times against an aligner that was not written here: pocketsphinx for English, energy after pauses for Mandarin.

    python benchmarks/align.py            # print the figures over the test sentences
    python benchmarks/align.py --calibration   # over the others, from which speak/voices.py has its offsets

The aligner is told which phones were said (ours, in ARPABET) and finds by itself when: HMM forced alignment on a grid of 10 ms.
Calibration and test sentences share no sentence.
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from animacy.speak import VOICES, Kokoro
from animacy.types import EMOTIONS, Sentence, Speech, Word

TEST = """The harbour was quiet, and the boats were asleep.
I never thought that a small garden could need so much water.
She put the letter on the table and left without a word.
Please call me back before nine, or leave a message.
Our train arrives at the central station in twenty minutes.
What would you do with a thousand dollars?
He fixed the old radio with a spoon and some tape.
The children laughed because the dog was wearing a hat.
My brother teaches physics at a school near the river.
If it rains tomorrow, we will stay home and watch a film.
Fresh bread smells better than anything else in the world.
They built the bridge in less than seven months.
Do not worry about the noise, it is only the wind.
A good teacher listens more than she speaks.
The museum opens at ten, but the doors are locked until eleven.
Someone left a blue umbrella under the chair.
We walked along the beach and talked about the future.
Could you pass me the pepper, please?
The doctor said that sleep is the best medicine.
It took him five years to write a very short book.
Everything looks different from the top of the mountain.
The team has finished the first version of the program.
Yesterday the market was full of people and music.
I would rather have tea than coffee this morning.
Nobody knows who painted the picture in the hall.
The computer is fast, yet it makes almost no sound.
Turn left at the church and follow the road to the farm.
Her voice was calm, but her hands were shaking.
Every winter the lake freezes and we go skating.
Thank you for waiting, your table is ready now.""".splitlines()
CALIBRATION = """The kitchen window faces a narrow street.
Birds were singing long before the sun came up.
You can find the keys in the top drawer.
The old man told us a story about a fox.
Would you mind closing the gate behind you?
Three of the answers were wrong, and one was missing.
A ship with white sails passed the lighthouse.
He bought cheap shoes and regretted it by Friday.
We should meet again when the weather is better.
The judge asked the witness to speak more clearly.
My sister plays the violin in a small orchestra.
Nothing is as slow as a clock that you watch.
The bus was late, so we shared a taxi.
Put the milk in the fridge before it goes bad.
Scientists have measured the distance to the moon.
The baby smiled at the funny noise.
I can hear music from the house next door.
They promised to return the book by Monday.
The garage smelled of oil and wet paint.
She has a gift for making strangers feel welcome.
Why did you throw away the yellow box?
The valley is green in spring and golden in autumn.
His jacket was too thin for such a cold night.
Several large rocks rolled down onto the path.
We need a bigger pot and a sharper knife.
The pilot landed the plane without any trouble.
Look at the stars, how bright they are tonight!
A cup of hot soup would be wonderful now.
The village has one shop, one school and no bank.
You must charge the battery before you use it.
Their youngest daughter wants to become a vet.
The river bends twice before it meets the sea.
He pushed the heavy door and stepped outside.
Most of the guests had already gone to bed.
Good morning, how may I help you today?
The jury could not agree on the second question.
I forgot my password and my badge on the same day.
The chef added garlic, butter and a little salt.
We watched the ships leave the harbour at dawn.
Both of the twins enjoy swimming and chess.""".splitlines()
MANDARIN = """你好，很高兴认识你。
今天的天气很好，我们去公园走走吧。
请等一下，我马上就来。
这本书很有意思，不过有点儿长。
他说，明天会下雨。
虽然很累，但是大家都很开心。
早上八点，火车准时出发了。
妈妈，晚饭做好了吗？
如果你有时间，给我打个电话。
春天来了，花都开了。
别担心，问题已经解决了。
对不起，我听不清楚。
我想，这个办法不错。
走过那座桥，就能看到学校。
不用谢，这是我应该做的。
你看，月亮出来了。
太好了，大家都通过了考试。
吃完饭，我们一起散步。
老师说，做作业要认真。
从这里出发，大概需要三个小时。""".splitlines()
MANDARIN_CALIBRATION = """谢谢，我自己来。
那家饭店很小，味道却特别好。
先生，您的咖啡。
最近太忙，没有时间看电影。
只要努力，就能成功。
天黑了，快回家吧。
我喜欢夏天，他喜欢冬天。
其实，事情并不复杂。
到了北京，记得告诉我。
红色的，还是蓝色的？
小时候，我住在海边。
听说，新的图书馆很漂亮。""".splitlines()

# Our IPA in the phone set of pocketsphinx's English model.
ARPABET = {
    "b": "B", "d": "D", "f": "F", "h": "HH", "j": "Y", "k": "K", "l": "L", "m": "M", "n": "N", "p": "P", "s": "S", "t": "T",
    "v": "V", "w": "W", "z": "Z", "ð": "DH", "ɡ": "G", "ŋ": "NG", "θ": "TH", "ɹ": "R", "ʃ": "SH", "ʒ": "ZH", "ɾ": "D",
    "dʒ": "JH", "tʃ": "CH", "ɑ": "AA", "æ": "AE", "ɔ": "AO", "ə": "AH", "ɚ": "ER", "ɛ": "EH", "ɝ": "ER", "ɪ": "IH", "i": "IY",
    "ʊ": "UH", "u": "UW", "ʌ": "AH", "eɪ": "EY", "aɪ": "AY", "oʊ": "OW", "aʊ": "AW", "ɔɪ": "OY",
}  # fmt: skip
MEDIAN_BAR, NINETY_BAR, MANDARIN_BAR = 0.020, 0.060, 0.030  # seconds


def sentence(text: str) -> Sentence:
    """A Sentence without a reader: words and punctuation as written, no numbers."""
    zh = bool(re.search("[\u4e00-\u9fff]", text))
    if zh:
        import jieba

        jieba.setLogLevel(60)
        pieces = list(jieba.cut(text))
    else:
        pieces = re.findall(r"[A-Za-z'-]+|[,.?!;:]", text)
    words: list[Word] = []
    for piece in pieces:
        mark = {"，": ",", "。": ".", "？": "?", "！": "!", "、": ",", "；": ";", "：": ":"}.get(piece, piece)
        if mark in ",.?!;:" and words:
            last = words.pop()
            words.append(Word(last.text, 0, 0, last.stress, last.spoken, last.language, mark))
        elif piece.strip():
            words.append(Word(piece, 0, 0, 0.5, piece, "zh" if zh else "en"))
    return Sentence(text, 10, 10 + len(text), "zh" if zh else "en", dict.fromkeys(EMOTIONS, 1 / 7), 0.0, 1 / 3, tuple(words))


@functools.cache
def _decoder():  # type: ignore[no-untyped-def]
    from pocketsphinx import Decoder

    return Decoder(lm=None, loglevel="FATAL", bestpath=False, beam=1e-120, wbeam=1e-100, pbeam=1e-120)


def to_16k(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Resample to 16 kHz in the frequency domain (exact for a band-limited signal)."""
    count = round(len(samples) * 16000 / rate)
    spectrum = np.fft.rfft(samples)
    keep = count // 2 + 1
    return (np.fft.irfft(spectrum[:keep], count) * (16000 / rate)).astype(np.float32)


def forced(words: Sequence[str], samples: NDArray[np.float32]):  # type: ignore[no-untyped-def]
    """pocketsphinx' alignment of words in its dictionary with samples at 16 kHz, or None where it gives up."""
    decoder, pcm = _decoder(), (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()

    def run() -> None:
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()

    decoder.set_align_text(" ".join(words))
    run()
    try:
        decoder.set_alignment()
        run()
        return decoder.get_alignment()
    except RuntimeError:
        return None


def aligned(speech: Speech) -> list[tuple[str, float, int]] | None:
    """(ARPABET phone, start in seconds, index of our phone) by forced alignment, or None where the aligner gives up."""
    decoder = _decoder()
    names = []
    spoken = [w for w in speech.words if any(p.word == w.word for p in speech.phones)]
    for w in spoken:
        pron = " ".join(ARPABET[p.symbol] for p in speech.phones if p.word == w.word)
        name = "said-" + pron.replace(" ", "-").lower()  # in no dictionary
        if decoder.lookup_word(name) is None:
            decoder.add_word(name, pron, True)
        names.append(name)
    found = forced(names, to_16k(speech.samples, speech.rate))
    if found is None:
        return None
    result, i = [], 0
    for word in found:
        if word.name not in names:
            continue
        for phone in word:
            result.append((phone.name, phone.start * 0.01, i))
            i += 1
    return result if i == len(speech.phones) else None


def onset_after(samples: NDArray[np.float32], rate: int, near: float, reach: float = 0.25) -> float | None:
    """When sound begins (seconds) near a time: the rise of 3 ms power that ends 60 ms of silence or more; None without one."""
    size = rate // 1000 * 3
    count = len(samples) // size
    level = 10 * np.log10((samples[: count * size].reshape(count, size).astype(np.float64) ** 2).mean(axis=1) + 1e-12)
    loud = level > np.percentile(level, 95) - 30
    best: float | None = None
    for k in range(20, count):
        t = k * size / rate
        quiet = not loud[k - 20 : k].any() and loud[k : k + 5].sum() >= 4
        if quiet and abs(t - near) <= reach and (best is None or abs(t - near) < abs(best - near)):
            best = t
    return best


@dataclass(frozen=True, slots=True)
class Errors:
    """Signed errors in seconds: ours minus theirs."""

    seconds: NDArray[np.float64]

    @property
    def median(self) -> float:
        return float(np.median(np.abs(self.seconds)))

    @property
    def ninety(self) -> float:
        return float(np.percentile(np.abs(self.seconds), 90))

    def __str__(self) -> str:
        return (
            f"{len(self.seconds)} starts: median |error| {1000 * self.median:.1f} ms, "
            f"90 % within {1000 * self.ninety:.1f} ms, bias {1000 * float(np.median(self.seconds)):+.1f} ms"
        )


def phone_errors(speeches: Sequence[Speech], shift: float = 0.0) -> Errors:
    """English: every phone's start against the aligner's. `shift` moves our times, for a control that has to fail."""
    errors: list[float] = []
    for speech in speeches:
        for _, start, i in aligned(speech) or []:
            errors.append(speech.phones[i].start / speech.rate + shift - start)
    return Errors(np.array(errors))


def word_errors(speeches: Sequence[Speech], after: Sequence[Sequence[str]], shift: float = 0.0) -> Errors:
    """Mandarin: starts of the words that follow a pause (or begin a stretch) against the onset of energy."""
    errors: list[float] = []
    for speech, marks in zip(speeches, after, strict=True):
        for k, word in enumerate(speech.words):
            if k == 0 or marks[speech.words[k - 1].word]:
                start = word.start / speech.rate
                onset = onset_after(speech.samples, speech.rate, start)
                if onset is not None:
                    errors.append(start + shift - onset)
    return Errors(np.array(errors))


def say(speaker: Kokoro, lines: Sequence[str]) -> tuple[list[Speech], list[list[str]]]:
    """All stretches of the lines, and for each the punctuation behind the sentence's words."""
    speeches: list[Speech] = []
    marks: list[list[str]] = []
    for line in lines:
        s = sentence(line)
        for speech in speaker.speak(s):
            speeches.append(speech)
            marks.append([w.after for w in s.words])
    return speeches, marks


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--calibration", action="store_true", help="measure the sentences that the offsets were taken from")
    args = parser.parse_args(argv)
    english, mandarin = (CALIBRATION, MANDARIN_CALIBRATION) if args.calibration else (TEST, MANDARIN)
    for name, voice in VOICES.items():
        speaker = Kokoro(name, threads=args.threads)
        if voice.language == "en":
            print(f"{name}: phone {phone_errors(say(speaker, english)[0])}")
        else:
            speeches, marks = say(speaker, mandarin)
            print(f"{name}: word {word_errors(speeches, marks)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
