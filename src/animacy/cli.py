"""The command `animacy`. Exit codes: 0 done, 1 failed, 2 asked for what cannot be, 130 interrupted."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TextIO

from . import __version__
from .errors import AnimacyError, UsageError

if TYPE_CHECKING:
    from .avatar import GeneratorWeights
    from .types import Score, Word

MAX_CHARACTERS = 2_000_000
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 10.0  # s in which what is open is closed, whatever else comes; then a signal ends what hangs
_signals: list[tuple[int, float]] = []  # that came to end this process, and when
MAX_BYTES = 4 * MAX_CHARACTERS + 3  # of UTF-8, with a byte order mark


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    _open_closed_streams()
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.DEBUG if arguments.debug else logging.WARNING, format="animacy: %(message)s")
    if not arguments.debug:  # a library's deprecations are no concern of the person at the terminal
        warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):  # whatever the locale, the texts are Unicode
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
            signal.signal(number, _terminated)
    _signals.clear()
    try:
        run: Callable[[argparse.Namespace], None] = arguments.run
        run(arguments)
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        return _failed("interrupted", 130, arguments.debug)
    except BrokenPipeError:  # the reader of our output has left, as `head` does: no news to anybody
        _mute(sys.stdout)
        _mute(sys.stderr)
        return 1
    except AnimacyError as error:
        return _failed(str(error), error.exit_code, arguments.debug)
    except OSError as error:  # what a file says is an AnimacyError: this is standard output, on a full disk perhaps
        if error.filename is None:
            _mute(sys.stdout)
        return _failed(f"{error.filename or 'standard output'}: {error.strerror or error}", 1, arguments.debug)
    except MemoryError:
        return _failed("out of memory: give less text at a time or a smaller --size", 1, arguments.debug)
    except Exception as error:
        if _signals:  # some libraries turn what ends them into an error of their own
            return 128 + _signals[0][0]
        return _failed(f"{type(error).__name__}: {error} (this is a defect; --debug shows where)", 1, arguments.debug)
    finally:
        if _signals:  # all is closed; a signal to Python as it ends would be a traceback
            for number in ENDING:
                signal.signal(number, signal.SIG_IGN)


def _failed(message: str, code: int, debug: bool) -> int:
    if debug:
        logging.getLogger(__name__).debug("failed", exc_info=True)
    line = " ".join(message.split())
    try:
        sys.stderr.write(f"animacy: {line}\n")
    except OSError:  # nobody reads it, or a full disk is behind it: the code still tells
        _mute(sys.stderr)
    return code


def _mute(stream: TextIO) -> None:
    """Let what is still to be written go nowhere: else Python tries again at its end, and complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_closed_streams() -> None:
    """Give 0, 1 and 2 to /dev/null where they were closed: else the film itself gets the number that others write errors to."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def _terminated(number: int, frame: object) -> None:
    now = time.monotonic()
    if _signals and now - _signals[-1][1] < GRACE:  # Ctrl-C again and again: half-written files go all the same
        return
    _signals.append((number, now))
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)  # unwinds


def _parser() -> Parser:
    from . import cli_live  # which imports this module

    common = Parser(add_help=False)
    common.add_argument("--debug", action="store_true", help="log everything and show tracebacks")
    parser = Parser(prog="animacy", description="Text in, a talking, feeling face out.")
    parser.add_argument("--version", action="version", version=f"animacy {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    say = commands.add_parser(
        "say", parents=[common], help="perform a text and write a video", description="Perform a text, or speech from a file."
    )
    _add_text(say)
    say.add_argument("--audio", metavar="FILE", help="perform the speech in this sound file, in place of a text")
    say.add_argument("-o", "--output", metavar="FILE.mp4", help="the video to write")
    say.add_argument("--wav", metavar="FILE", help="write the speech alone, too")
    say.add_argument("--timeline", metavar="FILE.json", help="write words, phones and motion with their times, too")
    say.add_argument("--size", type=int, default=512, help="pixels a side, an even number (512)")
    say.add_argument("--fps", type=int, default=25, help="frames a second (25)")
    say.add_argument(
        "--voice", help="a name that `animacy voices` lists, or espeak:LANGUAGE (by default one for each sentence's language)"
    )
    say.add_argument(
        "--avatar", default="default", help="a name that `animacy avatar list` lists, or the path of a bundle's folder or .zip"
    )
    say.add_argument("--language", default="auto", help="auto, en, zh, or the tag of a language that espeak-ng speaks (auto)")
    say.add_argument("--emotion", metavar="NAME:WEIGHT[,...]", help="perform with this emotion, e.g. joy:0.8")
    say.add_argument("--seed", type=int, default=0, help="of blinks, gaze and small movements (0)")
    add_rasteriser(say)
    say.add_argument(
        "--generator",
        choices=("auto", "none", "lite", "full"),
        default="auto",
        help="the bundle's network that paints; none shows the shaded render; auto: lite up to 256 pixels, full above (auto)",
    )
    add_backend(say)
    add_prepare(say)
    say.add_argument("--quiet", action="store_true", help="say nothing but errors")
    say.set_defaults(run=_say)

    read = commands.add_parser("read", parents=[common], help="show what is read out of a text", description="Read a text.")
    _add_text(read)
    read.add_argument("--input", metavar="FILE", help="read each line of FILE as a text of its own: one JSON object a line")
    read.add_argument("--json", action="store_true", help="print JSON")
    read.add_argument("--ssml", action="store_true", help="print the score as markup, to edit and then perform")
    read.add_argument("--plot", metavar="FILE.png", help="speak it, too, and draw what was read over what came of it")
    read.add_argument("--language", default="auto", help="auto, en or zh (auto)")
    read.add_argument("--emotion", metavar="NAME:WEIGHT[,...]", help="in place of the emotion that is found")
    read.set_defaults(run=_read)

    voices = commands.add_parser("voices", parents=[common], help="list the voices", description="List the voices.")
    voices.set_defaults(run=_voices)

    avatar = commands.add_parser("avatar", help="list or check avatar bundles", description="List or check avatar bundles.")
    verbs = avatar.add_subparsers(dest="verb", required=True, metavar="info|list")
    info = verbs.add_parser("info", parents=[common], help="check a bundle and show what it is", description="Check a bundle.")
    info.add_argument(
        "avatar", nargs="?", default="default", help="a name that `animacy avatar list` lists, or a bundle's path (default)"
    )
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(run=_avatar_info)
    listing = verbs.add_parser("list", parents=[common], help="list the bundles that ship", description="List the bundles.")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=_avatar_list)

    train = commands.add_parser(
        "train",
        parents=[common],
        help="teach a network to paint an avatar",
        description="Trace an avatar's frames, train networks on them, and tell how near they come. Needs animacy[train].",
    )
    train.add_argument("avatar", nargs="?", default="default", help="a name of `animacy avatar list` or a bundle's path")
    train.add_argument("-o", "--out", required=True, metavar="FOLDER", help="frames, weights and reports; again to go on")
    train.add_argument("--pairs", metavar="FOLDER", help="(conditions, target) frames of your own, in place of traced ones")
    train.add_argument("--evaluate", action="store_true", help="only judge the weights in FOLDER, or else the bundle's")
    train.add_argument("--into", metavar="BUNDLE", help="then put the networks into this bundle's folder")
    train.add_argument("--until", choices=("motions", "trace", "fit", "judge"), default="judge", help="the last stage to run")
    train.add_argument("--networks", default="lite,full", help="lite (256 pixels), full (512), or both (default)")
    train.add_argument("--scale", type=float, default=1.0, help="share of the usual 1,300 motions")
    train.add_argument("--spp", type=int, default=48, help="samples a pixel of frames to train on (default %(default)s)")
    train.add_argument("--spp-held-out", type=int, default=128, help="and of frames to judge by (default %(default)s)")
    train.add_argument("--hairs", type=int, default=24_000, help="on the head (default %(default)s)")
    train.add_argument("--variant", default="cuda_ad_rgb", help="Mitsuba's: cuda_ad_rgb, llvm_ad_rgb or scalar_rgb")
    train.add_argument("--processes", type=int, default=2, help="that trace (default %(default)s)")
    train.add_argument("--trace-minutes", type=float, help="trace no longer, and use what frames there are")
    train.add_argument("--fit-minutes", type=float, help="train no longer, whatever --steps says")
    train.add_argument("--steps", type=int, default=40_000, help="of training (default %(default)s)")
    train.add_argument("--rate", type=float, default=5e-4, help="of learning, which falls to 0 (default %(default)s)")
    train.add_argument("--begin", metavar="FOLDER", help="go on from the networks NAME.onnx there, in place of random ones")
    train.add_argument("--device", default="cuda", help="PyTorch's: cuda or cpu")
    train.add_argument("--compile", action="store_true", help="by PyTorch's compiler: a minute at first, then faster")
    train.add_argument("--seed", type=int, default=0)
    train.set_defaults(run=_train)

    evaluate = commands.add_parser("evaluate", help="measure a stage", description="Measure a stage.")
    stages = evaluate.add_subparsers(dest="stage", required=True, metavar="read|voice|hear")
    reading = stages.add_parser(
        "read",
        parents=[common],
        help="measure what is read out of texts",
        description="Measure the reader: on corpora, on sentences with what a person would say of them, or on both.",
    )
    reading.add_argument("--data", metavar="FOLDER", help="holds the development files that read/MODEL.md names (six minutes)")
    reading.add_argument("--written", metavar="FILE.tsv", help="sentences and what is expected, as tests/data/read_written.tsv")
    reading.add_argument("--json", action="store_true", help="print JSON")
    reading.set_defaults(run=_evaluate_read)

    voicing = stages.add_parser(
        "voice",
        parents=[common],
        help="measure whether the voice follows stress and excitement",
        description="Say sentences twice, with the stress elsewhere or with more excitement, and measure the sound.",
    )
    voicing.add_argument("--pairs", metavar="FILE.tsv", required=True, help="sentences, as tests/data/voice_pairs.tsv")
    voicing.add_argument("--voice", help="a name of `animacy voices`, for its language alone (one by language)")
    voicing.add_argument("--json", action="store_true", help="print JSON")
    voicing.set_defaults(run=_evaluate_voice)

    hearing = stages.add_parser(
        "hear",
        parents=[common],
        help="measure the mouth that is heard out of speech",
        description="Compare the mouth that is heard with the one made of the same phones, or tell what it does over noise.",
    )
    hearing.add_argument("--clips", metavar="FOLDER", help="speech with its phones, as hear/clips.py tells")
    hearing.add_argument("--shift", type=float, default=0.0, help="seconds of silence before each clip: a control (0)")
    hearing.add_argument("--calm", metavar="FILE", action="append", default=[], help="a sound file without speech")
    hearing.add_argument("--json", action="store_true", help="print JSON")
    hearing.set_defaults(run=_evaluate_hear)

    bench = commands.add_parser("bench", help="measure how fast it is", description="Measure how fast it is.")
    verbs = bench.add_subparsers(dest="verb", required=True, metavar="stages|streams|live")
    stages_ = verbs.add_parser("stages", parents=[common], help="stage by stage, the classic path beside the fast one")
    stages_.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: what a CPU can do (cuda)")
    stages_.add_argument("--batches", default="1,4,16,64", help="frames at once (%(default)s)")
    stages_.add_argument("--sizes", default="256,512", help="pixels a side (%(default)s)")
    stages_.add_argument("--repeats", type=int, default=50, help="batches that are timed (%(default)s)")
    stages_.add_argument("--avatar", default="default", help="a name of `animacy avatar list` or a bundle's path")
    add_prepare(stages_)
    stages_.add_argument("--no-compile", dest="prepare", action="store_const", const="plain", help="as --prepare plain")
    stages_.add_argument("--json", action="store_true", help="print JSON")
    stages_.set_defaults(run=_bench_stages)
    streams_ = verbs.add_parser("streams", parents=[common], help="several processes on one card")
    streams_.add_argument("--processes", type=int, default=4, help="that paint at once (%(default)s)")
    streams_.add_argument("--mps", action="store_true", help="under an MPS daemon of its own")
    streams_.add_argument("--batch", type=int, default=16, help="frames at once in each (%(default)s)")
    streams_.add_argument("--size", type=int, default=512, help="pixels a side, 256 or 512 (%(default)s)")
    streams_.add_argument("--seconds", type=float, default=5.0, help="of painting (%(default)s)")
    streams_.add_argument("--rasteriser", choices=("cuda", "gl"), default="cuda", help="what draws (%(default)s)")
    streams_.add_argument("--json", action="store_true", help="print JSON")
    streams_.set_defaults(run=_bench_streams)
    cli_live.add(commands, verbs, common)

    doctor = commands.add_parser("doctor", parents=[common], help="show what works here", description="Show what works here.")
    doctor.add_argument(
        "--purpose",
        choices=("say", "gpu", "gl"),
        default="say",
        help="what has to work for exit code 0: say, a film on any machine; gpu, the GPU path; gl, that with OpenGL (say)",
    )
    doctor.set_defaults(run=_doctor)
    return parser


def add_rasteriser(parser: argparse.ArgumentParser) -> None:
    """Add --rasteriser; --renderer is its older name."""
    parser.add_argument(
        "--rasteriser",
        "--renderer",
        choices=("auto", "gl", "cuda", "cpu"),
        default="auto",
        help="what draws; auto: CUDA where there is a GPU and CuPy, else OpenGL where it runs on a GPU, else the CPU (auto)",
    )


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add --generator-backend."""
    parser.add_argument(
        "--generator-backend",
        choices=("auto", "tensorrt", "torch", "onnx"),
        default="auto",
        help="what runs the network; auto: PyTorch where it sees a GPU, else ONNX Runtime on the CPU (auto)",
    )


def add_prepare(parser: argparse.ArgumentParser) -> None:
    """Add --prepare."""
    parser.add_argument(
        "--prepare",
        choices=("auto", "fused", "compiled", "plain"),
        default="auto",
        help="how PyTorch's network is made ready on a GPU: fused by our own kernels paints fastest, compiled by PyTorch's "
        "compiler less so, plain starts soonest; auto: fused where Triton can work, else plain, and says which (auto)",
    )


def _add_text(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="?", metavar="TEXT", help="what to say; - reads standard input")
    parser.add_argument("--file", metavar="FILE", help="a UTF-8 file that holds the text; - reads standard input")
    parser.add_argument(
        "--markup",
        choices=("auto", "none", "plain", "ssml"),
        default="auto",
        help="how the text is marked: ssml, plain [marks] in brackets, or none; auto: ssml for a text that begins with <speak "
        "or a file that ends in .ssml or .xml, plain for one with [/] or [pause, else none (auto)",
    )


def _text(arguments: argparse.Namespace) -> str:
    if (arguments.text is None) == (arguments.file is None):
        given = "both TEXT and --file" if arguments.file is not None else "no text"
        raise UsageError(f"{given} given: give TEXT, --file FILE, or - for standard input")
    if arguments.text is not None and arguments.text != "-":
        return limited(arguments.text, "TEXT")
    return limited(contents(arguments.file or "-"), arguments.file or "standard input")


def _markup(arguments: argparse.Namespace, text: str) -> str:
    from .read import markup_of

    if arguments.markup == "auto" and Path(arguments.file or "").suffix.lower() in (".ssml", ".xml"):
        return "ssml"
    return markup_of(text, arguments.markup)


def contents(name: str) -> str:
    """A file's text; "-" reads standard input. Raises UsageError for what is no UTF-8, or too much."""
    with _opened(name) as file:
        return _decoded(file.read(MAX_BYTES + 1), "standard input" if name == "-" else name)


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """The bytes of a file, or of standard input for "-"."""
    try:
        with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
            yield file
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{name} cannot be read: {reason}") from error


def _decoded(data: bytes, name: str) -> str:
    if len(data) > MAX_BYTES:
        raise UsageError(f"{name} has more than {MAX_CHARACTERS} characters: split it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 (byte {error.start}): save it as UTF-8 text") from error


def limited(text: str, name: str) -> str:
    """`text`. Raises UsageError if it is too much."""
    if len(text) > MAX_CHARACTERS:
        raise UsageError(f"{name} has {len(text)} characters, the limit is {MAX_CHARACTERS}: split it")
    return text


def _emotion(arguments: argparse.Namespace) -> dict[str, float] | None:
    from .read import parse_emotion

    return None if arguments.emotion is None else dict(parse_emotion(arguments.emotion))


def _say(arguments: argparse.Namespace) -> None:
    if arguments.output is None:
        raise UsageError("no output given: add -o FILE.mp4")
    if Path(arguments.output).suffix.lower() != ".mp4":
        raise UsageError(f"-o {arguments.output}: needed a name that ends in .mp4")
    if arguments.audio is not None:
        _say_audio(arguments)
        return
    text = _text(arguments)
    if arguments.file and os.path.realpath(arguments.file) in map(
        os.path.realpath, filter(None, (arguments.wav, arguments.timeline))
    ):
        raise UsageError(f"--file {arguments.file} is also to be written: give --wav and --timeline other names")
    from .progress import Bar
    from .read import spoken_text
    from .say import say

    markup = _markup(arguments, text)
    with Bar(len(spoken_text(text, markup)), sys.stderr, quiet=arguments.quiet) as bar:
        done = say(
            text,
            arguments.output,
            wav=arguments.wav,
            timeline_file=arguments.timeline,
            size=arguments.size,
            fps=arguments.fps,
            voice=arguments.voice,
            avatar=arguments.avatar,
            language=arguments.language,
            emotion=_emotion(arguments),
            markup=markup,
            seed=arguments.seed,
            rasteriser=arguments.rasteriser,
            generator=arguments.generator,
            generator_backend=arguments.generator_backend,
            prepared=arguments.prepare,
            stage=bar.stage,
            report=bar.performed,
        )
    if not arguments.quiet:
        size = f"{arguments.size}x{arguments.size}"
        print(f"{arguments.output}: {done.seconds:.1f} s, {done.frames} frames of {size}")


def _say_audio(arguments: argparse.Namespace) -> None:
    of_text = (
        ("TEXT", arguments.text is not None),
        ("--file", arguments.file is not None),
        ("--voice", arguments.voice is not None),
        ("--language", arguments.language != "auto"),
        ("--markup", arguments.markup != "auto"),
    )
    if given := [name for name, is_given in of_text if is_given]:
        raise UsageError(f"--audio and {given[0]} given: --audio performs the speech in its file; leave {given[0]} out")
    from .hear import file
    from .progress import Bar
    from .say import say_audio

    with file.opened(arguments.audio) as sound:
        seconds = sound.seconds
    with Bar(round(1000 * seconds), sys.stderr, quiet=arguments.quiet) as bar:
        done = say_audio(
            arguments.audio,
            arguments.output,
            wav=arguments.wav,
            timeline_file=arguments.timeline,
            size=arguments.size,
            fps=arguments.fps,
            avatar=arguments.avatar,
            emotion=_emotion(arguments),
            seed=arguments.seed,
            rasteriser=arguments.rasteriser,
            generator=arguments.generator,
            generator_backend=arguments.generator_backend,
            prepared=arguments.prepare,
            stage=bar.stage,
            report=lambda progress: bar.performed(replace(progress, position=round(1000 * progress.seconds))),
        )
    if not arguments.quiet:
        size = f"{arguments.size}x{arguments.size}"
        print(f"{arguments.output}: {done.seconds:.1f} s, {done.frames} frames of {size}")


def _read(arguments: argparse.Namespace) -> None:
    from .read import make_reader, score_as_markup, score_of

    if arguments.json and arguments.ssml:
        raise UsageError("--json and --ssml given: give one of them")
    if arguments.plot is not None and Path(arguments.plot).suffix.lower() != ".png":
        raise UsageError(f"--plot {arguments.plot}: needed a name that ends in .png")
    if arguments.plot is not None and arguments.input is not None:
        raise UsageError("--input and --plot given: --plot draws one text; give it as TEXT or --file")
    if arguments.input is None:
        text = _text(arguments)
        reader = make_reader(arguments.language, _emotion(arguments), _markup(arguments, text))
        score = score_of(tuple(reader.read(text)))
        if arguments.plot is not None:
            _plot(score, arguments.plot)
        if arguments.ssml:
            sys.stdout.write(score_as_markup(score))
            return
        if arguments.json:
            print_json(score.as_json())
            return
        for sentence in score.sentences:
            mood = ", ".join(f"{name} {weight:.2f}" for name, weight in _strongest(sentence.emotion))
            print(printable(sentence.text.strip()))
            print(f"  {mood}; valence {sentence.valence:+.2f}, excitement {sentence.excitement:.2f}")
            print("  " + " ".join(map(_told_word, sentence.words)))
        return
    if arguments.text is not None or arguments.file is not None:
        raise UsageError("--input and a text given: give one of them")
    if arguments.ssml:
        raise UsageError("--input and --ssml given: --ssml writes one text; give it as TEXT or --file")
    reader = make_reader(arguments.language, _emotion(arguments), arguments.markup)
    for line in _lines(arguments.input):
        try:
            print_json(score_of(tuple(reader.read(line))).as_json())
        except UsageError as error:  # one line in, one line out: a line with nothing to say is an object without sentences
            print_json({"language": "en", "sentences": [], "error": str(error)})


def _told_word(word: Word) -> str:
    """The word, its stress, and the strength of the boundary behind it where no punctuation tells it."""
    boundary = f" |{word.boundary:.1f}" if word.boundary and not word.after else ""
    return f"{printable(word.spoken)}({word.stress:.1f}){boundary}"


def printable(text: str) -> str:
    """`text` on one line of a terminal: what would steer it, or cannot be printed, is escaped as in Python's strings."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _plot(score: Score, path: str) -> None:
    if score.language not in ("en", "zh"):
        raise UsageError(f"--plot with language {score.language!r}: needed English or Mandarin, which the neural voices speak")
    from . import plot
    from .move import Performer
    from .speak import make_speaker

    plot.save(path, lambda: plot.performed(score.sentences, make_speaker(None), Performer(50), 50))


def _evaluate_read(arguments: argparse.Namespace) -> None:
    from .read import evaluate

    if arguments.data is None and arguments.written is None:
        raise UsageError("nothing to evaluate on: give --data FOLDER, --written FILE.tsv, or both")
    written = {} if arguments.written is None else evaluate.written(Path(arguments.written))
    corpora = {} if arguments.data is None else evaluate.on_corpora(Path(arguments.data))
    if arguments.json:
        print_json(
            ({"corpora": corpora} if corpora else {})
            | ({"written": {k: {n: asdict(a) for n, a in by.items()} for k, by in written.items()}} if written else {})
        )
        return
    for name, figure in corpora.items():
        told = ", ".join(f"{k} {v}" for k, v in figure.items()) if isinstance(figure, dict) else figure
        print(f"{name.replace('_', ' '):<20} {told}")
    for language, by in written.items():
        for name, agreement in by.items():
            print(f"{language}  {name:<32} {agreement}")


def _evaluate_voice(arguments: argparse.Namespace) -> None:
    from .read import TextReader
    from .speak import evaluate, make_speaker
    from .speak.voices import find

    path = Path(arguments.pairs)
    evaluate.pairs(path)  # before the voice is loaded
    languages = ("en", "zh") if arguments.voice is None else (find(arguments.voice).language,)
    speaker = make_speaker(arguments.voice)
    found = evaluate.voice(path, dict.fromkeys(languages, speaker), TextReader())
    if arguments.json:
        print_json(found)
        return
    for language, by in found.items():
        for name, figures in by.items():
            print(f"{language} {name}: " + ", ".join(f"{k} {v}" for k, v in figures.items()))


def _evaluate_hear(arguments: argparse.Namespace) -> None:
    from .hear import evaluate

    if arguments.clips is None and not arguments.calm:
        raise UsageError("nothing to evaluate on: give --clips FOLDER, --calm FILE, or both")
    if not 0.0 <= arguments.shift <= 1.0:
        raise UsageError(f"--shift {arguments.shift}: needed 0 to 1 second")
    clips = {} if arguments.clips is None else evaluate.on_clips(Path(arguments.clips), arguments.shift)
    calm = {name: evaluate.calm(name) for name in arguments.calm}
    if arguments.json:
        print_json(({"clips": clips} if clips else {}) | ({"calm": calm} if calm else {}))
        return
    for name, figures in (clips | calm).items():
        print(f"{name}: " + ", ".join(f"{k} {v}" for k, v in figures.items() if not isinstance(v, dict)))
        for weight, r in figures.get("r_by_weight", {}).items():
            print(f"  {weight:<20} {r:.3f}")


def _lines(name: str) -> Iterator[str]:
    """Line by line, so that a pipe is answered as it speaks, and a file may be of any length."""
    with _opened(name) as file:
        for number, data in enumerate(iter(lambda: file.readline(MAX_BYTES + 1), b""), 1):
            place = f"line {number} of {'standard input' if name == '-' else name}"
            yield limited(_decoded(data, place).removesuffix("\n").removesuffix("\r"), place)


def _strongest(emotion: Any) -> list[tuple[str, float]]:
    return sorted(emotion.items(), key=lambda pair: -pair[1])[:2]


def print_json(value: Any) -> None:
    """Print `value` as one line of JSON."""
    text = json.dumps(value, ensure_ascii=False)
    if any("\ud800" <= c <= "\udfff" for c in text):  # a lone surrogate has no UTF-8: escape it, as JSON allows
        text = json.dumps(value)
    print(text)


def _voices(arguments: argparse.Namespace) -> None:
    from .speak import VOICES

    for voice in VOICES.values():
        print(f"{voice.name:<14} {voice.language}  {voice.sex:<6}  {voice.description}")


def _avatar_info(arguments: argparse.Namespace) -> None:
    from . import avatar

    face = avatar.load(avatar.find(arguments.avatar))
    if arguments.json:
        sizes = {"triangles": len(face.triangles), "vertices": len(face.positions), "frame_size": face.frame_size}
        networks = [_figures(g) | {"training": asdict(g.training)} for g in face.generators]
        about = {"name": arguments.avatar, "title": face.name, "licence": face.licence, "provenance": list(face.provenance)}
        print_json({**about, **sizes, "generators": networks})
        return
    print(f"{face.name}: {len(face.triangles)} triangles, {len(face.positions)} vertices, 52 shapes, {face.frame_size} pixels")
    print(f"licence: {face.licence}")
    for line in face.provenance:
        print(f"from: {line}")
    for g in face.generators:
        print(
            f"generator {g.name}: {g.size} pixels, {g.gflop:.2f} GFLOP a frame, "
            f"{g.psnr:.2f} dB PSNR and {g.ssim:.4f} SSIM over held-out faces"
        )
        for name, value in asdict(g.training).items():
            print(f"  {name}: {value}")
    if not face.generators:
        print("generators: none")


def _avatar_list(arguments: argparse.Namespace) -> None:
    from . import avatar

    faces = {name: avatar.load(avatar.find(name)) for name in avatar.shipped()}
    if arguments.json:
        print_json(
            [
                {"name": name, "title": f.name, "licence": f.licence, "generators": [_figures(g) for g in f.generators]}
                for name, f in faces.items()
            ]
        )
        return
    rows = [(name, f.name, ", ".join(g.name for g in f.generators) or "-", f.licence) for name, f in faces.items()]
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, wide, strict=True)).rstrip())


def _figures(weights: GeneratorWeights) -> dict[str, Any]:
    return {name: getattr(weights, name) for name in ("name", "size", "gflop", "psnr", "ssim")}


def _train(arguments: argparse.Namespace) -> None:
    from .train import pipeline

    names = tuple(dict.fromkeys(arguments.networks.split(",")))
    if not set(names) <= set(pipeline.SIZES):
        raise UsageError(f"--networks {arguments.networks}: needed lite, full or lite,full")
    least = {"processes": 1, "spp": 2, "spp_held_out": 2, "steps": 1, "hairs": 0, "scale": 0.001, "rate": 0}
    for name, low in {**least, "trace_minutes": 0, "fit_minutes": 0}.items():
        given = getattr(arguments, name)
        if given is not None and not low <= given < float("inf"):
            raise UsageError(f"--{name.replace('_', '-')} {given}: needed at least {low}")
    if arguments.pairs is not None and not Path(arguments.pairs).is_dir():
        raise UsageError(f"--pairs {arguments.pairs}: no such folder; give one that holds frames")
    plan = pipeline.Plan(
        avatar=arguments.avatar,
        folder=Path(arguments.out),
        networks=names,
        pairs=None if arguments.pairs is None else Path(arguments.pairs),
        until=arguments.until,
        scale=arguments.scale,
        spp=arguments.spp,
        spp_held_out=arguments.spp_held_out,
        hairs=arguments.hairs,
        variant=arguments.variant,
        processes=arguments.processes,
        trace_minutes=arguments.trace_minutes,
        fit_minutes=arguments.fit_minutes,
        steps=arguments.steps,
        rate=arguments.rate,
        begin=None if arguments.begin is None else Path(arguments.begin),
        device=arguments.device,
        compiled=arguments.compile,
        seed=arguments.seed,
    )
    if arguments.into is not None and not (Path(arguments.into) / "avatar.json").is_file():
        raise UsageError(f"--into {arguments.into}: no bundle's folder; give one that holds avatar.json")
    if arguments.into is not None and arguments.until != "judge":
        raise UsageError(f"--into and --until {arguments.until} given: networks are put into a bundle once they are judged")
    if arguments.evaluate:
        plan.folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            pipeline.judge(plan, name, _told)
    else:
        pipeline.run(plan, _told)
    if arguments.into is not None:
        pipeline.adopt(plan, Path(arguments.into), " ".join(["animacy", *sys.argv[1:]])[:900], _commit(), _told)


def _commit() -> str:
    """What this is a version of: the commit of a checkout, or the version of a package."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip() or __version__
    except (OSError, subprocess.CalledProcessError):
        return __version__


def _told(line: str) -> None:
    print(line, flush=True)


def _bench_stages(arguments: argparse.Namespace) -> None:
    from . import bench

    report = bench.stages(
        arguments.device,
        batches=_numbers("--batches", arguments.batches),
        sizes=_numbers("--sizes", arguments.sizes),
        avatar=arguments.avatar,
        repeats=arguments.repeats,
        prepared=arguments.prepare,
        tell=lambda what: print(what, file=sys.stderr, flush=True),
    )
    print_json(report) if arguments.json else print(json.dumps(report, indent=1, ensure_ascii=False))


def _bench_streams(arguments: argparse.Namespace) -> None:
    from . import bench

    report = bench.streams(
        arguments.processes,
        use_mps=arguments.mps,
        batch=arguments.batch,
        size=arguments.size,
        seconds=arguments.seconds,
        rasteriser=arguments.rasteriser,
    )
    print_json(report) if arguments.json else print(json.dumps(report, indent=1, ensure_ascii=False))


def _numbers(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{name} {text}: needed whole numbers with commas between them") from error


def _doctor(arguments: argparse.Namespace) -> None:
    from .doctor import NEEDED, examine

    missing = []
    for name, works, remark in examine():
        print(f"{'yes' if works else 'no ':<4}{name:<30}{remark}", flush=True)
        if not works and name in NEEDED[arguments.purpose]:
            missing.append(name)
    if missing:
        raise AnimacyError(f"missing for {arguments.purpose}: {', '.join(missing)}; the table tells what brings each")
