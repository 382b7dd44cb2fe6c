"""A film and live sessions on a GPU machine, in one run of 150 s or less.

    python benchmarks/gpu_live.py --make FOLDER       # where animacy is installed whole: speech, and frames of the CPU path
    python benchmarks/gpu_live.py --canned FOLDER --out FILE.json [--parts say,live,processes] [--prepare fused]

The second needs no voice (but for --synthesise), no network of the reader's and no Numba: speech comes from FOLDER's WAV files
and phones. It needs
PyTorch, CuPy, NVRTC and cuda-bindings, and of these what is missing there (MB of the wheels):

    pip download --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64 \\
        --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 \\
        "av>=17,<18" onnx pillow protobuf ml-dtypes tqdm        # 35.4 + 8.9 + 7.1 + 0.3 + 0.4 + 0.1 = 52.3

Every part is guarded: one that fails is reported with its traceback, and the rest goes on. FILE.json is written after each
part and each number of sessions; what would begin after --minutes is left out and named. Parts:
say        a text into a film by the GPU; its frames, size, and how near some are to those of the CPU path
live       sessions in this process, as `animacy bench live`, until p99 lateness is a frame
processes  the same in several processes, each with a stage of its own, as `animacy serve --workers` has it
--fake puts ready frames in the GPU's place, which tells what all the rest costs, on any machine; with --padded they
take as long as the batches into which a GPU's stage cuts and pads them, in as many waits as it takes calls to begin one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import types
import wave
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

if importlib.util.find_spec("numba") is None:  # what it compiles is not on this path but for one warm-up of the film's
    stub: Any = types.ModuleType("numba")
    stub.njit = stub.vectorize = lambda *given, **how: given[0] if given and callable(given[0]) else lambda function: function
    stub.prange = range
    sys.modules["numba"] = stub

from animacy import bench, engine
from animacy.avatar import find, load
from animacy.errors import UsageError
from animacy.face import make_face
from animacy.gpu.stage import DEAR, cuts
from animacy.live import bench as live
from animacy.live import host as hosts
from animacy.live.workers import share
from animacy.move import Performer
from animacy.send import Mp4
from animacy.types import Frames, Motion, Phone, Sentence, Speech, TimedWord, Word

CUTS = cuts(hosts.GPU_BATCHES)
CALLS = 20  # of CUDA a batch, each of which lets other threads run
KEPT = (0, 8, 12, 16, 20, 24, 30, 36, 42, 50)  # frames of the film that are compared
BEGAN = time.perf_counter()


class Canned:
    """A Reader of the texts in `folder`, and the Speaker of what the first of them hold, whose speech is there."""

    def __init__(self, folder: Path) -> None:
        read = json.loads((folder / "read.json").read_text())
        self._texts = {text: [_sentence(s) for s in sentences] for text, sentences in read.items()}
        self._said: dict[tuple[str, int], list[Speech]] = {}
        said = json.loads((folder / "speech.json").read_text())
        for text, sentences in said.items():
            for sentence, stretches in zip(self._texts[text], sentences, strict=True):
                self._said[sentence.text, sentence.start] = [_speech(folder, s) for s in stretches]
        self.rate = next(iter(self._said.values()))[0].rate
        self.texts, self.every = tuple(said), tuple(self._texts)

    def read(self, text: str) -> Iterator[Sentence]:
        return iter(self._texts[text])

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        return iter(self._said[sentence.text, sentence.start])


def _sentence(about: dict[str, Any]) -> Sentence:
    return Sentence(**{**about, "words": tuple(Word(**w) for w in about["words"])})


def _speech(folder: Path, about: dict[str, Any]) -> Speech:
    with wave.open(str(folder / about["wav"])) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32767
        rate = file.getframerate()
    return Speech(samples, rate, tuple(Phone(*p) for p in about["phones"]), tuple(TimedWord(*w) for w in about["words"]))


def spoken(folder: Path) -> None:
    from animacy.read import make_reader
    from animacy.speak import make_speaker

    folder.mkdir(parents=True, exist_ok=True)
    reader, speaker, count = make_reader(), make_speaker(None), 0
    kept: dict[str, Any] = {}
    read = {text: list(reader.read(text)) for text in live.TEXTS}
    (folder / "read.json").write_text(json.dumps({text: [asdict(s) for s in own] for text, own in read.items()}))
    for text in live.TEXTS[:3]:
        sentences = kept.setdefault(text, [])
        for sentence in read[text]:
            stretches = []
            for speech in speaker.speak(sentence):
                name, count = f"{count}.wav", count + 1
                with wave.open(str(folder / name), "wb") as file:
                    file.setparams((1, 2, speech.rate, 0, "NONE", ""))
                    file.writeframes(np.rint(np.clip(speech.samples, -1, 1) * 32767).astype("<i2").tobytes())
                phones = [[p.symbol, p.start, p.end, p.word] for p in speech.phones]
                stretches.append({"wav": name, "phones": phones, "words": [[w.word, w.start, w.end] for w in speech.words]})
            sentences.append(stretches)
    (folder / "speech.json").write_text(json.dumps(kept, ensure_ascii=False))


def make(folder: Path, arguments: argparse.Namespace) -> None:
    """Speech of a few texts, where it is not there yet, and frames of the CPU's film of the first sentence."""
    if not (folder / "speech.json").exists():
        spoken(folder)
    path = folder / "cpu.mp4"
    filmed(path, Canned(folder), arguments, rasteriser="cpu", backend="onnx", sentences=1)
    frames = decoded(path)
    np.savez_compressed(folder / "cpu.npz", **{str(n): frames[n] for n in KEPT if n < len(frames)})
    print(f"{folder}: {sum(f.stat().st_size for f in folder.iterdir()) / 1e6:.1f} MB")


def filmed(
    path: Path, canned: Canned, arguments: argparse.Namespace, *, rasteriser: str, backend: str, sentences: int | None = None
) -> dict[str, Any]:
    face = load(find(arguments.avatar))
    began = time.perf_counter()
    with (
        Mp4(path, arguments.size, 25, face.background) as film,
        make_face(
            face, arguments.size, rasteriser=rasteriser, backend=backend, prepared=arguments.prepare, stage=told
        ) as stage,
    ):
        loaded = time.perf_counter()
        line = engine.Line(canned, Performer(25, 0), stage, (film,))
        done = engine.perform(islice(canned.read(canned.texts[0]), sentences), line)
        took = time.perf_counter() - loaded
        alone = None if rasteriser == "cpu" else round(painted_alone(stage, done.frames), 1)
    figures = {"frames": done.frames, "seconds": done.seconds, "load_s": loaded - began, "perform_s": took}
    return {k: round(v, 3) for k, v in figures.items()} | {"painting_alone_frames_per_s": alone}


def painted_alone(stage: Any, frames: int) -> float:
    """Frames a second of the stage without encoder and speech."""
    motions = bench.talking(frames).batches(stage.batch)
    began = time.perf_counter()
    for _ in stage.paint(motions):
        pass
    return frames / (time.perf_counter() - began)


def decoded(path: Path) -> list[Any]:
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]


def say(canned: Canned, arguments: argparse.Namespace, keep: Callable[[Any], None]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gpu.mp4"
        found = filmed(path, canned, arguments, rasteriser=arguments.rasteriser, backend=arguments.backend)
        frames = decoded(path)
    found |= {"decoded": len(frames), "shape": list(frames[0].shape)}
    keep(found)
    with np.load(arguments.canned / "cpu.npz") as slow:
        parity = {n: psnr(frames[int(n)], slow[n]) for n in slow.files if frames[int(n)].shape == slow[n].shape}
        apart = psnr(slow[str(KEPT[0])], slow[str(KEPT[-1])])
    return found | {
        "psnr_to_cpu_db": parity,
        "lowest_db": min(parity.values(), default=None),
        "first_to_last_db": apart,  # what two different frames have
        "psnr_note": "both films went through x264 at crf 19",
    }


def psnr(a: Any, b: Any) -> float:
    return round(float(10 * np.log10(255**2 / max(np.square(a.astype(float) - b).mean(), 1e-9))), 2)


class Ready:
    """A FaceStage that has its frames."""

    batch = 64

    def __init__(self, film: Path, size: int, microseconds: float, padded: bool = False) -> None:
        frames = decoded(film)[: self.batch]
        if frames[0].shape != (size * 3 // 2, size):
            raise UsageError(f"{film} has frames of another size than {size}: make it again by --make")
        self._frames, self._each, self._padded = np.stack(frames), microseconds * 1e-6, padded

    def paint(self, motions: Iterable[Motion]) -> Iterator[Frames]:
        for motion in motions:
            if not self._padded:
                time.sleep(self._each * len(motion))  # as one waits for a GPU
                yield Frames(self._frames[: len(motion)])
                continue
            first = 0
            for size in CUTS[len(motion)]:
                for _ in range(CALLS):
                    time.sleep(self._each * (size + DEAR) / CALLS)
                yield Frames(self._frames[first : min(first + size, len(motion))])
                first += size


@contextmanager
def opened(canned: Canned, arguments: argparse.Namespace) -> Iterator[Any]:
    sys.setswitchinterval(0.001)  # as the server has it
    how = {
        "rasteriser": arguments.rasteriser,
        "generator": "auto",
        "backend": arguments.backend,
        "prepared": arguments.prepare,
    }
    look = hosts._look(arguments.avatar, arguments.size, how, told)
    if arguments.fake:

        @contextmanager
        def ready() -> Iterator[Any]:
            yield Ready(arguments.canned / "cpu.mp4", arguments.size, arguments.fake, arguments.padded)

        look = hosts.Look(look.background, ready)
    voice: Any = canned
    if arguments.synthesise:
        voice = hosts._speakers(len(os.sched_getaffinity(0)))[hosts.EACH_LANGUAGE]
        for sentence in canned.read(canned.texts[0]):  # loads and warms it
            for _ in voice.speak(sentence):
                pass
    beat = (arguments.child or 0) / arguments.workers / 25  # as `animacy serve` has it
    with hosts.Host({arguments.avatar: look}, {"voice": voice}, {"none": canned}, size=arguments.size, beat=beat) as host:
        hosts.keep_loaded()
        yield host


def trial(host: Any, canned: Canned, sessions: int, arguments: argparse.Namespace) -> dict[str, Any]:
    before = throttled(), stolen()
    texts = canned.every if arguments.synthesise else canned.texts
    found = live.together(host, sessions, arguments.seconds, arguments.avatar, texts)
    found["speech"] = "synthesised" if arguments.synthesise else "made before"
    return found | {"throttled_ms": round(1000 * (throttled() - before[0])), "stolen_ms": round(1000 * (stolen() - before[1]))}


def throttled() -> float:
    """Seconds in which the container's bound on processor time let nothing of it run; 0 where there is none to be read."""
    for path, unit in (("/sys/fs/cgroup/cpu.stat", 1e-6), ("/sys/fs/cgroup/cpu/cpu.stat", 1e-9)):
        if Path(path).exists():
            lines = dict(line.split() for line in Path(path).read_text().splitlines())
            return float(lines.get("throttled_usec", lines.get("throttled_time", 0))) * unit
    return 0.0


def stolen() -> float:
    """Seconds, of all processors together, in which a virtual machine wanted to run and its host let another one."""
    return int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")


def in_time(figures: dict[str, Any]) -> bool:
    late = figures.get("lateness_p99_ms")
    return not figures["refused"] and late is not None and late < 40


def lives(canned: Canned, arguments: argparse.Namespace, keep: Callable[[Any], None]) -> dict[str, Any]:
    began = time.perf_counter()
    found: dict[str, Any] = {"prepare": arguments.prepare, "fake_microseconds": arguments.fake}
    with opened(canned, arguments) as host:
        found["load_s"] = round(time.perf_counter() - began, 1)
        for sessions in arguments.sessions:
            if over(arguments):
                found[str(sessions)] = {"left out": f"{arguments.minutes} minutes were over"}
                break
            told(f"{sessions} sessions")
            found[str(sessions)] = trial(host, canned, sessions, arguments)
            keep(found)
            told(f"p99 lateness {found[str(sessions)].get('lateness_p99_ms')} ms")
            if not in_time(found[str(sessions)]):
                break
    return found


def processes(canned: Canned, arguments: argparse.Namespace, keep: Callable[[Any], None]) -> dict[str, Any]:
    found: dict[str, Any] = {"processes": arguments.workers, "mps": arguments.mps}
    given = [x for x in sys.argv[1:] if not x.startswith(("--out", "--parts"))]
    for name in ("--out", "--parts"):
        if name in sys.argv:
            given.remove(sys.argv[sys.argv.index(name) + 1])
    command = [sys.executable, __file__, *given, "--child"]
    found["cores of a process"] = len(share(0, arguments.workers)) if arguments.own_cores else len(os.sched_getaffinity(0))
    environment = {"OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // arguments.workers)), **os.environ}
    workers: list[subprocess.Popen[str]] = []
    with ExitStack() as stack:
        if arguments.mps:
            environment |= stack.enter_context(bench.mps())
        stack.callback(_ended, workers)
        for count in (
            1,
            arguments.workers - 1,
        ):  # one fills the caches for the others, as in `animacy serve`
            new = [
                subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
                for n in range(len(workers), len(workers) + count)
            ]
            workers += new
            if any(w.stdout is None or w.stdout.readline().strip() != "ready" for w in new):
                raise RuntimeError("a process did not become ready; its error is above")
        for sessions in arguments.sessions:
            if over(arguments):
                found[str(sessions)] = {"left out": f"{arguments.minutes} minutes were over"}
                break
            told(f"{sessions} sessions in {arguments.workers} processes")
            each = -(-sessions // arguments.workers)
            for w in workers:
                assert w.stdin is not None
                w.stdin.write(f"{each}\n")
                w.stdin.flush()
            figures = [json.loads(w.stdout.readline()) for w in workers if w.stdout is not None]
            found[str(sessions)] = figures
            keep(found)
            told(f"p99 lateness {[f.get('lateness_p99_ms') for f in figures]} ms")
            if not all(map(in_time, figures)):
                break
    return found


def _ended(workers: list[subprocess.Popen[str]]) -> None:
    for w in workers:
        assert w.stdin is not None
        w.stdin.close()
        try:
            w.wait(20)
        except subprocess.TimeoutExpired:
            w.kill()


def child(canned: Canned, arguments: argparse.Namespace) -> None:
    """One of `processes`: a number of sessions a line comes in, their figures a line go out."""
    if arguments.own_cores:
        os.sched_setaffinity(0, share(arguments.child, arguments.workers))
    with opened(canned, arguments) as host:
        print("ready", flush=True)
        for line in sys.stdin:
            print(json.dumps(trial(host, canned, int(line), arguments)), flush=True)


def over(arguments: argparse.Namespace) -> bool:
    return time.perf_counter() - BEGAN > 60 * arguments.minutes - arguments.seconds - 3


def told(what: str) -> None:
    print(f"{time.perf_counter() - BEGAN:6.1f} s  {what}", file=sys.stderr, flush=True)


PARTS = {"say": say, "live": lives, "processes": processes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", type=Path, metavar="FOLDER")
    parser.add_argument("--canned", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--parts", default="say,live")
    parser.add_argument("--avatar", default="default")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rasteriser", default="cuda")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--prepare", default="auto", help="how the network is made ready")
    parser.add_argument("--sessions", type=lambda s: [int(x) for x in s.split(",")], default=[16, 64, 128, 200])
    parser.add_argument("--seconds", type=float, default=15.0, help="of each number of sessions")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--mps", action="store_true", help="processes share the GPU under an MPS daemon of their own")
    parser.add_argument(
        "--own-cores", action=argparse.BooleanOptionalAction, default=True, help="as `animacy serve` has it: a share for each"
    )
    parser.add_argument("--minutes", type=float, default=2.5)
    parser.add_argument("--synthesise", action="store_true", help="speech is made by Kokoro, whose packages have to be there")
    parser.add_argument("--fake", type=float, default=0.0, metavar="MICROSECONDS", help="a frame, in place of a GPU")
    parser.add_argument("--padded", action="store_true", help="of --fake: as long as the next size of batch")
    parser.add_argument("--child", type=int, metavar="NUMBER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make is not None:
        make(arguments.make, arguments)
        return
    if arguments.canned is None or (arguments.out is None and arguments.child is None):
        parser.error("give --make FOLDER, or --canned FOLDER and --out FILE.json")
    canned = Canned(arguments.canned)
    if arguments.child is not None:
        child(canned, arguments)
        return
    report: dict[str, Any] = {"machine": bench.machine(), "size": arguments.size}

    def keep(name: str, found: Any) -> None:
        report[name] = found
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")

    for name in arguments.parts.split(","):
        if over(arguments):
            keep(name, {"left out": f"{arguments.minutes} minutes were over"})
            continue
        told(name)
        try:
            keep(name, PARTS[name](canned, arguments, lambda found, name=name: keep(name, found)))
        except Exception:
            keep(name, {**(report.get(name) or {}), "error": traceback.format_exc()})
            print(traceback.format_exc(), file=sys.stderr, flush=True)
    print(json.dumps(report, indent=1)[:4000])


if __name__ == "__main__":
    main()
