"""Motion to pictures: which rasteriser, which network, and where they work, chosen in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from .avatar import Avatar
from .errors import UsageError
from .generate import backend_for, make_generator, network_for
from .gpu.contracts import PREPARED
from .render import chosen, make_renderer
from .stages import FaceStage, Generator, Renderer
from .types import Faces, Motion


class Drawn:
    """A FaceStage of a Renderer and a Generator, one after the other, by way of the host."""

    def __init__(self, renderer: Renderer, generator: Generator, batch: int = 8) -> None:
        self.batch = batch  # frames at once, at most
        self._renderer, self._generator = renderer, generator

    def paint(self, motions: Iterable[Motion]) -> Iterator[Faces]:
        for motion in motions:
            yield self._generator.generate(self._renderer.render(motion))


@contextmanager
def make_face(
    avatar: Avatar,
    size: int,
    *,
    rasteriser: str = "auto",
    generator: str = "auto",
    backend: str = "auto",
    batch: int = 8,
    gpu_batches: Sequence[int] = (1, 4, 16),
    prepared: str = "auto",
    stage: Callable[[str], None] = lambda name: None,
) -> Iterator[FaceStage]:
    """What draws and paints `avatar` in frames of `size` pixels a side, for the block and the thread that enters it.

    rasteriser: "auto", "gl", "cuda" or "cpu", see `render.chosen`. generator, backend: as make_generator takes them. batch:
    frames at once on a CPU. Where CUDA draws, or OpenGL if "gl" was asked for, and PyTorch or TensorRT paints on a GPU, all of
    it stays there, in batches up to the largest of `gpu_batches`, made ready as `prepared` says (gpu/stage.py).
    `stage` is told what was chosen. Raises UsageError for what cannot be asked for, AnimacyError with a remedy for what was
    asked for and cannot be had: nothing else is taken in its place.
    """
    if prepared not in PREPARED:
        raise UsageError(f"prepared {prepared!r} is unknown; give {', '.join(PREPARED[:-1])} or {PREPARED[-1]}")
    kind, why = chosen(rasteriser)
    weights = network_for(generator, avatar, size)
    on_gpu = weights is not None and (kind == "cuda" or rasteriser == "gl") and backend_for(backend) != "onnx"
    if weights is not None and on_gpu:
        from .gpu.stage import opened

        stage(f"painting: {weights.name}")
        stage(f"drawing: {'CUDA' if kind == 'cuda' else 'OpenGL'}, {why}; frames stay on the GPU until they are video")
        with opened(
            avatar,
            size,
            weights,
            rasteriser=kind,
            backend=backend_for(backend),
            batches=gpu_batches,
            prepared=prepared,
            report=stage,
        ) as made:
            yield made
        return
    painter = make_generator(generator, avatar, size, stage, backend)
    stage("preparing the renderer")
    with make_renderer(kind, avatar, painter.size or size) as drawing:
        stage(f"drawing: {drawing.info}, {why}")
        yield Drawn(drawing, painter, batch)
