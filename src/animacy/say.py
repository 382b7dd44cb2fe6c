"""A text, or speech from elsewhere, into a video file: the line, wired."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from . import engine, timeline
from .avatar import find, load
from .engine import Line, Progress
from .errors import UsageError
from .face import make_face
from .hear import file as sound_file
from .move import Performer
from .move.expression import expression
from .read import make_reader, markup_of
from .read.feeling import complete, valence_of_emotion
from .send import Mp4, Wav
from .send.partial import PartialFile
from .speak import make_speaker
from .stages import Sink


def say(
    text: str,
    output: str | Path,
    *,
    wav: str | Path | None = None,
    timeline_file: str | Path | None = None,
    size: int = 512,
    fps: int = 25,
    voice: str | None = None,
    avatar: str | Path = "default",
    language: str = "auto",
    emotion: Mapping[str, float] | None = None,
    markup: str = "auto",
    seed: int = 0,
    rasteriser: str = "auto",
    generator: str = "auto",
    generator_backend: str = "auto",
    prepared: str = "auto",
    stage: Callable[[str], None] = lambda name: None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Perform `text` into the MP4 file `output`, and its speech and timeline into files of their own where asked for.

    size: pixels a side, even, 64..2048. fps: 1..120. voice: a name of `animacy.speak.VOICES`, "espeak:" and a language for
    espeak-ng, or None for one that speaks each sentence's language. avatar: a name of `animacy.avatar.shipped()` or a bundle's
    path. language: "auto", "en" or "zh", or with espeak-ng any tag that it speaks. emotion: weights by name, 0..1, with a sum
    of at most 1, in place of what is read. markup: how the author's marks are written, one of `animacy.read.MARKUPS`.
    seed: of blinks, gaze and small movements, 0 or more; the same seed gives the same motion.
    generator: "lite" or "full", a network of the bundle; "none", the shaded render; or "auto", lite up to 256 pixels and full
    above, as far as the bundle has them. A network paints at its own size and is scaled to `size`.
    rasteriser: what draws: "gl", "cuda", "cpu", or "auto", see `render.chosen`. Where CUDA draws, or "gl" was asked for, and a
    GPU paints, frames come to the host as video alone.
    generator_backend: what runs the network: "tensorrt", "torch", "onnx", or "auto", PyTorch where it sees a GPU, else "onnx".
    prepared: how PyTorch's network is made ready on a GPU: "fused", "compiled", "plain" or "auto", see gpu/stage.py.
    `stage` is told what begins, `report` what was performed. All files appear whole, at the end, or not at all.
    Raises UsageError for what cannot be asked for, AnimacyError for what failed.
    """
    _apart(output, wav, timeline_file)
    with _recorded(timeline_file, fps) as record:
        stage("reading the text")
        sentences = make_reader(_language(language, voice), emotion, markup_of(text, markup)).read(text)
        with opened(
            output,
            wav=wav,
            size=size,
            fps=fps,
            voice=voice,
            avatar=avatar,
            seed=seed,
            rasteriser=rasteriser,
            generator=generator,
            generator_backend=generator_backend,
            prepared=prepared,
            stage=stage,
        ) as line:
            stage("performing")
            done = engine.perform(sentences, line, timeline=record, report=report)
            stage("finishing the files")
        return done


def say_audio(
    audio: str | Path,
    output: str | Path,
    *,
    wav: str | Path | None = None,
    timeline_file: str | Path | None = None,
    size: int = 512,
    fps: int = 25,
    avatar: str | Path = "default",
    emotion: Mapping[str, float] | None = None,
    seed: int = 0,
    rasteriser: str = "auto",
    generator: str = "auto",
    generator_backend: str = "auto",
    prepared: str = "auto",
    stage: Callable[[str], None] = lambda name: None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Perform the speech in the file `audio`, as `say` does a text: its mouth is heard out of it, in any language.

    audio: whatever FFmpeg reads, 8 to 192 kHz, an hour at most. The film is as long as the sound, and has it, mixed to mono.
    emotion: weights by name, held throughout; else the face shows how excited the voice is, and no feeling. The other
    arguments are as `say` takes them. Raises as `say` and `hear.file.opened` do.
    """
    _apart(output, wav, timeline_file, audio)
    with _recorded(timeline_file, fps) as record, sound_file.opened(audio) as sound:
        with opened(
            output,
            wav=wav,
            size=size,
            fps=fps,
            speaks=False,
            avatar=avatar,
            seed=seed,
            rasteriser=rasteriser,
            generator=generator,
            generator_backend=generator_backend,
            prepared=prepared,
            stage=stage,
        ) as line:
            if emotion is not None:
                whole = complete(emotion)
                assert isinstance(line.mover, Performer)
                line.mover.feel(expression(whole, valence_of_emotion(whole), 0.5))
            stage("performing")
            done = engine.follow(sound_file.stretches(sound), line, timeline=record, report=report)
            stage("finishing the files")
        return done


def _apart(*files: str | Path | None) -> None:
    names = [os.path.realpath(n) for n in files if n is not None]
    if len(set(names)) < len(names):
        sound = "the sound, " if len(files) > 3 else ""
        raise UsageError(f"{sound}the video, --wav and --timeline name the same file: give each its own")


@contextmanager
def _recorded(file: str | Path | None, fps: int) -> Iterator[timeline.Timeline | None]:
    """What collects a performance for the file, which is there once the block has ended well; None without a file."""
    if file is None:
        yield None
        return
    record, partial = timeline.Timeline(fps), PartialFile(Path(file))
    try:
        yield record
        timeline.save(record, partial)
        partial.keep()  # once the film has its name: a timeline without its film helps nobody
    finally:
        partial.discard()


def _language(language: str, voice: str | None) -> str:
    """The language to read in: espeak-ng's voices bring their own, the others speak English and Mandarin alone."""
    espeak = voice.removeprefix("espeak:") if voice is not None and voice.startswith("espeak:") else None
    if language == "auto" and espeak is not None:
        return espeak
    if language not in ("auto", "en", "zh") and espeak is None:
        raise UsageError(f"no neural voice speaks {language!r}: needed en or zh, or --voice espeak:{language or 'LANGUAGE'}")
    return language


@contextmanager
def opened(
    output: str | Path,
    *,
    wav: str | Path | None = None,
    size: int = 512,
    fps: int = 25,
    voice: str | None = None,
    speaks: bool = True,
    avatar: str | Path = "default",
    seed: int = 0,
    rasteriser: str = "auto",
    generator: str = "auto",
    generator_backend: str = "auto",
    prepared: str = "auto",
    stage: Callable[[str], None] = lambda name: None,
) -> Iterator[Line]:
    """The line that writes `output`, loaded and ready; see `say` for the arguments. Leaving the block closes the files.

    speaks: with a voice; else the line can only follow sound.
    """
    if not 1 <= fps <= 120:
        raise UsageError(f"--fps {fps}: needed 1 to 120")
    with ExitStack() as stack:
        stage("loading the avatar")
        face = load(find(avatar))
        # The sound first: it gets its name after the film, or not at all.
        sinks: list[Sink] = [] if wav is None else [stack.enter_context(Wav(wav))]
        film = stack.enter_context(Mp4(output, size, fps, face.background))
        painting = make_face(
            face,
            size,
            rasteriser=rasteriser,
            generator=generator,
            backend=generator_backend,
            gpu_batches=(16,),  # a film waits for no single frame, and each size of batch takes seconds to make ready
            prepared=prepared,
            stage=stage,
        )
        painter = stack.enter_context(painting)  # before the voice, which takes longer: a GPU that is missing is told at once
        speaker = None
        if speaks:
            stage("loading the voice")
            speaker = make_speaker(voice)
        yield Line(speaker=speaker, mover=Performer(fps, seed), face=painter, sinks=(film, *sinks))
