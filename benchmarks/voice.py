"""Whether the voice follows stress and excitement: twins of sentences, measured by librosa's pYIN.

    python benchmarks/voice.py    # needs librosa (ISC), which the project itself does not

40 pairs say the same words, the stress on one word or on another: the vowels of the word should be longer, higher or louder
than in its twin. The same 40 sentences are said calm (excitement 0.1) and excited (0.9): range of F0 and rate should go up.
"""

from __future__ import annotations

from dataclasses import replace

import librosa
import numpy as np

from animacy.read import TextReader
from animacy.speak import Kokoro, voice_for
from animacy.speak.phones import VOWELS
from animacy.types import Sentence, Speech

ENGLISH = """My *brother* teaches *physics*.
The *doctor* called the *hospital*.
She *painted* the old *house*.
Our *train* leaves at *seven*.
The *children* found a *key*.
He *sold* the blue *boat*.
The *market* opens on *Monday*.
Her *sister* plays the *violin*.
We *saw* a small *bear*.
The *teacher* lost her *glasses*.
A *storm* broke the *window*.
They *washed* the red *car*.
The *baker* sells warm *bread*.
My *uncle* lives in *London*.
The *cat* sleeps on the *sofa*.
You *left* the door *open*.
The *farmer* bought a *horse*.
Her *letter* came from *Spain*.
The *river* crosses the *valley*.
His *father* fixed the *radio*.""".splitlines()
MANDARIN = """*哥哥*喜欢*音乐*。
*医生*去了*北京*。
*妈妈*做了*晚饭*。
*老师*教*数学*。
*孩子*找到了*钥匙*。
*弟弟*卖了*自行车*。
*姐姐*学*钢琴*。
*火车*七点*出发*。
*爷爷*住在*上海*。
*邻居*养了一只*猫*。
*学生*去*图书馆*。
*爸爸*修好了*电脑*。
*奶奶*种了很多*花*。
*朋友*送我一本*书*。
*大风*吹坏了*窗户*。
*小狗*睡在*沙发*上。
*农民*买了一匹*马*。
*经理*明天去*广州*。
*妹妹*画了一座*山*。
*叔叔*在*银行*工作。""".splitlines()


def said(speaker: Kokoro, sentence: Sentence) -> Speech:
    (speech,) = speaker.speak(sentence)
    return speech


def pitch(speech: Speech) -> tuple[np.ndarray, np.ndarray]:
    """F0 in Hz, NaN without a voice, and the samples at which it is."""
    f0, _, _ = librosa.pyin(speech.samples, fmin=60, fmax=500, sr=speech.rate, frame_length=1024, hop_length=240)
    return f0, np.arange(len(f0)) * 240


def vowels(speech: Speech, f0: np.ndarray, at: np.ndarray, word: int) -> tuple[float, float, float]:
    """Seconds, semitones and dB of the word's vowels."""
    own = [p for p in speech.phones if p.word == word and p.symbol in VOWELS]
    heard = np.concatenate([speech.samples[p.start : p.end] for p in own])
    inside = np.any([(at >= p.start) & (at < p.end) for p in own], axis=0) & ~np.isnan(f0)
    tone = 12 * np.log2(np.median(f0[inside])) if inside.any() else np.nan
    return len(heard) / speech.rate, float(tone), float(10 * np.log10(np.mean(np.square(heard, dtype=np.float64))))


def main() -> None:
    reader, network = TextReader(), Kokoro(threads=2)
    for language, lines in (("en", ENGLISH), ("zh", MANDARIN)):
        speaker = network.with_voice(voice_for(language))
        more, right = [], []
        for line in lines:
            (plain,) = reader.read(line.replace("*", ""))
            places = [i for i, part in enumerate(line.split("*")) if i % 2]
            targets = [line.split("*")[i] for i in places]
            at = [next(k for k, w in enumerate(plain.words) if t.startswith(w.text) or t in w.text) for t in targets]
            twins = []
            for one in at:
                words = tuple(replace(w, stress=0.95 if i == one else 0.35) for i, w in enumerate(plain.words))
                speech = said(speaker, replace(plain, words=words, excitement=0.3))
                twins.append((speech, *pitch(speech)))
            own, twin = vowels(*twins[0], at[0]), vowels(*twins[1], at[0])
            more.append([own[0] > 1.05 * twin[0], own[1] > twin[1] + 0.3, own[2] > twin[2] + 0.5])
            calm, excited = (said(speaker, replace(plain, excitement=e)) for e in (0.1, 0.9))
            spread = [np.nanpercentile(12 * np.log2(pitch(s)[0]), [10, 90]) for s in (calm, excited)]
            length = [s.phones[-1].end - s.phones[0].start for s in (calm, excited)]
            right.append([float(np.diff(spread[1])[0]) > float(np.diff(spread[0])[0]), length[1] < length[0]])
        table, both = np.array(more), np.array(right)
        longer, higher, louder = table.sum(0)
        print(
            f"{language}: longer {longer}, higher {higher}, louder {louder}, any {table.any(1).sum()} of {len(table)};", end=" "
        )
        print(f"excited: wider {both[:, 0].sum()}, faster {both[:, 1].sum()}, both {both.all(1).sum()} of {len(both)}")


if __name__ == "__main__":
    main()
