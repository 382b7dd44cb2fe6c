"""How fast a text becomes a video, once the models are loaded.

    python benchmarks/say.py --size 256 --repeats 3 [--out FILE.json]

For each language: one warm-up, then `repeats` performances of about 20 s of speech into a file. Reported per language are
the medians of: time over speech (1.0 is real time), seconds from the call to the first encoded frame, and to the first
frame that shows speech; and, as the baseline in the same run, the speech synthesis alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from machine import machine

from animacy.engine import Line, perform
from animacy.read import make_reader
from animacy.say import opened
from animacy.send import Mp4
from animacy.stages import Reader
from animacy.types import Faces, Speech

TEXTS = {
    "en": "Good morning, and welcome to the museum. My name is Anna, and I will be your guide today. We begin with the oldest "
    "room, which holds paintings from the sixteenth century. Please look at the light in this one: the painter worked on "
    "it for eleven years. Would you like to hear why he never sold it? It is a wonderful story!",
    "zh": "早上好，欢迎来到我们的博物馆。我叫安娜，今天由我来为大家讲解。我们先看最古老的展厅，这里收藏着十六世纪的绘画作品。"
    "请大家注意这幅画的光线，画家花了整整十一年才完成它。你们想知道他为什么从来没有卖掉这幅画吗？那真是一个动人的故事！",
}


class Stopwatch:
    """A sink, after the film, that notes when its first encoded frame was there, and the first that shows speech."""

    def __init__(self, film: Mp4) -> None:
        self._film = film
        self.began = time.perf_counter()
        self.first = self.spoken = 0.0
        self._speaking = False

    def hear(self, speech: Speech) -> None:
        self._speaking = self._speaking or bool(speech.words)

    def send(self, faces: Faces) -> None:
        now = time.perf_counter() - self.began
        if self._film.encoded:
            self.first = self.first or now
        if self._speaking:
            self.spoken = self.spoken or now


def once(reader: Reader, line: Line, text: str) -> dict[str, float]:
    film = line.sinks[0]
    assert isinstance(film, Mp4)
    watch = Stopwatch(film)
    done = perform(reader.read(text), replace(line, sinks=(film, watch)))
    total = time.perf_counter() - watch.began
    return {
        "video_s": done.seconds,
        "took_s": total,
        "ratio": total / (done.seconds - line.lead - line.tail),
        "first_frame_s": watch.first,
        "first_speech_frame_s": watch.spoken,
    }


def speech_alone(reader: Reader, line: Line, text: str) -> float:
    began = time.perf_counter()
    seconds = sum(speech.duration for sentence in reader.read(text) for speech in line.speaker.speak(sentence))
    return (time.perf_counter() - began) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rasteriser", default="auto")
    parser.add_argument("--avatar", default="default")
    parser.add_argument("--generator", default="auto")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    asked = {
        "size": arguments.size,
        "rasteriser": arguments.rasteriser,
        "avatar": arguments.avatar,
        "generator": arguments.generator,
    }
    result: dict[str, Any] = {"machine": machine(), **asked}
    for language, text in TEXTS.items():
        runs = []
        for repeat in range(arguments.repeats + 1):
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                reader = make_reader()
                with opened(Path(folder) / "out.mp4", **asked) as line:
                    loaded = time.perf_counter() - began
                    run = once(reader, line, text) | {"load_s": loaded}
                    if repeat:
                        run["speech_alone_ratio"] = speech_alone(reader, line, text)
            if repeat:
                runs.append(run)
                print(language, {k: round(v, 3) for k, v in run.items()}, flush=True)
        result[language] = {k: round(statistics.median(r[k] for r in runs), 3) for k in runs[0]}
    print(json.dumps(result, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
