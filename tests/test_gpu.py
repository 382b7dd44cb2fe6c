"""The CUDA kernels, compiled for the host and, where there is one, on a GPU: against the CPU's rasteriser and NumPy's twins."""

from __future__ import annotations

import ctypes
import dataclasses
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cuda_on_host
import synthetic
from animacy.avatar import Avatar, bundle
from animacy.errors import AnimacyError, UsageError
from animacy.generate.onnx import as_input_slow, as_rgba_slow
from animacy.gpu import convert, twins
from animacy.gpu.convert import Layout, Tensors, Video, i420, nv12
from animacy.gpu.cuda import PIXELS, CudaRenderer
from animacy.gpu.device import MODULES, CupyDevice, Device, address, source
from animacy.render.cpu import CpuRenderer
from animacy.send.yuv import i420_over
from animacy.types import Conditions, Motion
from test_render import FIELDS, differ, flat, motion, same


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if cuda_on_host.compiler() is None:
        pytest.skip("no C++ compiler")
    return cuda_on_host.build(tmp_path_factory.mktemp("kernels"))


@pytest.fixture(scope="module", params=["host", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    if request.param == "host":
        yield cuda_on_host.HostDevice(request.getfixturevalue("kernels"))
        return
    try:
        gpu = CupyDevice()
    except AnimacyError as error:
        pytest.skip(str(error))
    yield gpu
    gpu.close()


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return synthetic.avatar()


def compared(avatar: Avatar, size: int, frames: Motion, device: Device, batch: int = 4) -> dict[str, float]:
    """The largest share of pixels of a frame, by picture, off by more than 2/255 from the CPU's."""
    with CpuRenderer(avatar, size) as cpu, CudaRenderer(avatar, size, batch, device=device) as gpu:
        ours = gpu.render(frames)
        assert ours.shaded[..., 3].any()  # something is drawn
        return {f: float(d.mean((1, 2)).max()) for f, d in differ(cpu.render(frames), ours).items()}


@pytest.mark.parametrize("size", [50, 128, 257])
def test_cuda_and_cpu_draw_the_same(avatar: Avatar, size: int, device: Device) -> None:
    shares = compared(avatar, size, motion(3, seed=size), device)
    assert max(shares.values()) < 0.001, shares


@pytest.mark.parametrize("name", ["default", "leo"])
def test_cuda_and_cpu_draw_the_shipped_avatars_the_same_hair_and_lashes_included(name: str, device: Device) -> None:
    """Of all pixels, and of those alone in which a strand, a lash or a brow is seen."""
    loaded = bundle.load(bundle.find(name))
    frames, size = motion(2, seed=4), 256
    with CpuRenderer(loaded, size) as cpu:
        theirs = cpu.render(frames)
    with CudaRenderer(loaded, size, 2, device=device) as gpu:
        ours = gpu.render(frames)
        numbers = device.zeros((2, 2 * size, 2 * size), np.uint32)
        gpu.number(2, numbers)
        found = device.copy_out(numbers, 2, 0).astype(int)
        cutout = np.concatenate([[False], gpu.scene.materials[gpu.scene.material, 6] != 0])
    thin = cutout[found].reshape(2, size, 2, size, 2).any((2, 4))
    assert thin.mean() > 0.01
    for f, off in differ(theirs, ours).items():
        assert off.mean((1, 2)).max() < 0.001, f
        assert off[thin].mean() < 0.002, f


def test_cuda_and_cpu_agree_on_every_kind_of_material(avatar: Avatar, device: Device) -> None:
    for kind in ("skin", "eye", "tooth", "hair", "cloth"):
        changed = dataclasses.replace(avatar, materials=tuple(dataclasses.replace(m, kind=kind) for m in avatar.materials))
        shares = compared(changed, 96, motion(2, seed=5), device)
        assert max(shares.values()) < 0.001, (kind, shares)


def test_a_frame_is_the_same_in_every_batch_and_place(avatar: Avatar, device: Device) -> None:
    frames = motion(17, seed=9)  # three groups, the last one not full
    with (
        CudaRenderer(avatar, 48, 1, device=device) as one,
        CudaRenderer(avatar, 48, 5, device=device) as five,
        CudaRenderer(avatar, 48, 64, device=device) as all_,
    ):
        whole = all_.render(frames)
        assert same(whole, five.render(frames))
        singles = [one.render(f) for f in frames.batches(1)]
        last = all_.render(Motion(np.repeat(frames.weights[:1], 64, 0), np.repeat(frames.pose[:1], 64, 0), 0, 25))
    for f in FIELDS:
        assert np.array_equal(getattr(whole, f), np.concatenate([getattr(s, f) for s in singles]))
        assert np.array_equal(getattr(last, f)[63], getattr(whole, f)[0])
        assert not np.array_equal(getattr(whole, f)[0], getattr(whole, f)[1])


def test_the_networks_input_is_the_pictures_folded(avatar: Avatar, device: Device) -> None:
    with CudaRenderer(avatar, 64, 3, device=device) as gpu:
        frames = motion(3, seed=2)
        folded = device.array(np.full((3, 16, 16, 160), 7, np.float16))
        count = gpu.upload(frames)
        gpu.place(count)
        gpu.draw(count, folded=folded)
        pictures = gpu.render(frames)
        expected = twins.fold(as_input_slow(pictures).astype(np.float16), 4)
        assert np.array_equal(device.copy_out(folded, 3, 0), expected)


def test_folding_orders_channels_as_torch_does() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is an extra")
    x = np.random.default_rng(0).random((2, 10, 8, 12)).astype(np.float16)
    theirs = torch.nn.functional.pixel_unshuffle(torch.from_numpy(x), 4).permute(0, 2, 3, 1)
    assert np.array_equal(twins.fold(x, 4), theirs.numpy())


def test_two_halves_draw_what_the_whole_does(avatar: Avatar, device: Device) -> None:
    """And numbers may have gaps between their rows, as those of another rasteriser."""
    size, pitch = 40, 96
    with CudaRenderer(avatar, size, 2, device=device) as gpu:
        whole = gpu.render(motion(2, seed=6))
        numbers = device.zeros((2, 2 * size, 2 * size), np.uint32)
        gpu.number(2, numbers)
        found = device.copy_out(numbers, 2, 0)
        assert found.max() <= len(avatar.triangles)
        wide = np.full((2, 2 * size, pitch), 5, np.uint32)
        wide[..., : 2 * size] = found
        shaded, unlit, normal = (device.zeros((2, size, size, n), np.uint8) for n in (4, 4, 2))
        gpu.shade(2, numbers, shaded=shaded)
        gpu.shade(2, device.array(wide), pitch=pitch, unlit=unlit, normal=normal)
        halves = Conditions(*(device.copy_out(x, 2, 0) for x in (shaded, unlit, normal)))
    assert same(whole, halves)
    covered = (found > 0).reshape(2, size, 2, size, 2).sum((2, 4))
    assert np.array_equal(covered, np.rint(whole.shaded[..., 3] / 63.75))


def test_triangles_that_do_not_fit_into_the_lists_are_drawn_all_the_same(avatar: Avatar, device: Device) -> None:
    frames = motion(2, seed=7)
    with CudaRenderer(avatar, 64, 2, device=device) as gpu:
        listed = gpu.render(frames)
        counts = device.copy_out(gpu._on["counts"], 2, 0)
        assert 0 < counts.max() <= gpu._room
        for _ in range(2):
            gpu.render(frames)
            assert np.array_equal(device.copy_out(gpu._on["counts"], 2, 0), counts)  # lists begin anew with each batch
        gpu._room = int(counts.max()) - 1
        assert same(listed, gpu.render(frames))
        gpu._room = 0
        assert same(listed, gpu.render(frames))


def test_edges_and_corners_are_drawn_by_the_cpus_rule(avatar: Avatar, device: Device) -> None:
    """A square cut into fans, each triangle alone and all at once: as many samples as on the CPU, none twice and no hole."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.linspace(-0.1, 0.1, 5), np.linspace(-0.1, 0.1, 5)), -1).reshape(-1, 2)
    inner = np.abs(grid).max(1) < 0.099
    grid[inner] += rng.uniform(-0.015, 0.015, (inner.sum(), 2))
    points = np.column_stack([grid, np.zeros(len(grid))])
    a = np.arange(25).reshape(5, 5)
    q = np.stack([a[:-1, :-1], a[:-1, 1:], a[1:, 1:], a[1:, :-1]], -1).reshape(-1, 4)
    triangles = np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]]])
    camera = dataclasses.replace(avatar.camera, position=(0, 0, 1), target=(0, 0, 0))
    total = np.zeros((64, 64), int)
    for t in triangles:
        one = dataclasses.replace(flat(avatar, points, t[None]), camera=camera)
        with CudaRenderer(one, 32, 1, device=device) as gpu:
            numbers = device.zeros((1, 64, 64), np.uint32)
            gpu.place(gpu.upload(motion()))
            gpu.number(1, numbers)
            total += device.copy_out(numbers, 1, 0)[0] > 0
    assert total.max() == 1
    whole = dataclasses.replace(flat(avatar, points, triangles), camera=camera)
    with CpuRenderer(whole, 32) as cpu, CudaRenderer(whole, 32, 1, device=device) as gpu:
        theirs, ours = cpu.render(motion()), gpu.render(motion())
    assert np.array_equal(np.rint(theirs.shaded[0, ..., 3] / 63.75), total.reshape(32, 2, 32, 2).sum((1, 3)))
    assert not any(d.any() for d in differ(theirs, ours).values())


def test_samples_on_an_edge_belong_to_one_triangle_the_cpus(avatar: Avatar, device: Device) -> None:
    """Four triangles about a point that lies on a sample's centre, then between samples: edges level, upright and diagonal."""
    size = 64
    unit = 2 * np.tan(np.radians(10)) / (2 * size)  # a sample's width at distance 1
    camera = dataclasses.replace(avatar.camera, position=(0, 0, 1), target=(0, 0, 0), fov_degrees=20)
    for offset in (0.5, 0.0):
        c, s = offset * unit, 20 * unit
        points = np.array([[c, c, 0], [c + s, c, 0], [c, c + s, 0], [c - s, c, 0], [c, c - s, 0]])
        fans = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]])
        covered = []
        for fan in (*fans[:, None], fans):
            one = dataclasses.replace(flat(avatar, points, fan), camera=camera)
            with CpuRenderer(one, size) as cpu, CudaRenderer(one, size, 1, device=device) as gpu:
                covered.append(np.rint(gpu.render(motion()).shaded[0, ..., 3] / 63.75))
                assert np.array_equal(covered[-1], np.rint(cpu.render(motion()).shaded[0, ..., 3] / 63.75))
        assert np.array_equal(sum(covered[:4]), covered[4])
        assert covered[4].max() == 4


def test_triangles_larger_than_the_frame_and_corners_behind_the_eye_are_as_the_cpu_has_them(
    avatar: Avatar, device: Device
) -> None:
    points = np.array([[-2, -2, 0], [2, -2, 0], [0, 2, 0], [0, 0.02, 0.7], [0.02, 0.02, 0.7], [0, 0.04, 0.1]])
    huge = dataclasses.replace(flat(avatar, points, np.array([[0, 1, 2], [3, 4, 5]]), two_sided=True))
    for z in (0.0, 0.5, 0.79, 1.5):
        with CpuRenderer(huge, 128) as cpu, CudaRenderer(huge, 128, 1, device=device) as gpu:
            theirs, ours = cpu.render(motion(z=z)), gpu.render(motion(z=z))
        assert np.array_equal(theirs.shaded[..., 3], ours.shaded[..., 3]), z
        assert max(d.mean() for d in differ(theirs, ours).values()) < 0.001, z
        if z == 0.0:
            assert ours.shaded[..., 3].all()
    for far_out in ([3, -2, 0], [2, -3, 0]):
        points[1] = far_out
        dropped = flat(avatar, points[:3], np.array([[0, 1, 2]]))
        with CpuRenderer(dropped, 64) as cpu, CudaRenderer(dropped, 64, 1, device=device) as gpu:
            assert not cpu.render(motion()).shaded.any()
            assert not gpu.render(motion()).shaded.any()


def test_backs_are_dropped_unless_two_sided_and_hidden_things_stay_hidden(avatar: Avatar, device: Device) -> None:
    points = np.array([[-0.1, -0.1, 0], [0.1, -0.1, 0], [0, 0.1, 0], [-0.05, -0.05, 0.1], [0.05, -0.05, 0.1], [0, 0.05, 0.1]])
    pictures = []
    for order, two_sided in (([[0, 1, 2], [3, 4, 5]], False), ([[3, 4, 5], [0, 1, 2]], False), ([[0, 2, 1], [3, 5, 4]], True)):
        with CudaRenderer(flat(avatar, points, np.array(order), two_sided=two_sided), 64, 1, device=device) as gpu:
            pictures.append(gpu.render(motion()))
    assert same(*pictures[:2])
    assert np.array_equal(pictures[2].unlit, pictures[0].unlit)
    with CudaRenderer(flat(avatar, points, np.array([[0, 2, 1]])), 64, 1, device=device) as gpu:
        assert not gpu.render(motion()).shaded.any()


def test_of_two_triangles_in_one_place_the_first_is_drawn(avatar: Avatar, device: Device) -> None:
    points = np.array([[-0.1, -0.1, 0], [0.1, -0.1, 0], [0, 0.1, 0]])
    twice = flat(avatar, points, np.array([[0, 1, 2], [0, 1, 2]]))
    with CudaRenderer(twice, 64, 1, device=device) as gpu:
        numbers = device.zeros((1, 128, 128), np.uint32)
        gpu.place(gpu.upload(motion()))
        gpu.number(1, numbers)
        assert set(np.unique(device.copy_out(numbers, 1, 0))) == {0, 1}


ONE_BY_ONE = r"""
extern "C" void one_by_one(int size, int triangles_, const quad_int* triangles, const Vertex* vertices, const Setup* setups,
                           const int* levels, const u32* albedo, u32* numbers, float* held) {
    Texture texture = {albedo, albedo, levels};
    for (int t = 0; t < triangles_; t++) {
        Setup s = setups[t];
        for (int y = s.top; s.left <= s.right && y <= s.bottom; y++)
            for (int x = s.left; x <= s.right; x++) {
                int px = x * SUBPIXEL + SUBPIXEL / 2, py = y * SUBPIXEL + SUBPIXEL / 2, right = x & 1, down = y & 1;
                if (edge<i64>(s.x1 - s.x0, s.y1 - s.y0, s.x0, s.y0, px, py) < 0) continue;
                if (edge<i64>(s.x2 - s.x1, s.y2 - s.y1, s.x1, s.y1, px, py) < 0) continue;
                if (edge<i64>(s.x0 - s.x2, s.y0 - s.y2, s.x2, s.y2, px, py) < 0) continue;
                px -= right * SUBPIXEL, py -= down * SUBPIXEL;
                float w = fmaf(fmaf((float)(px - s.x0), s.gx, (float)(py - s.y0) * s.gy), 1.0f / SUBPIXEL, s.w0);
                w = (w + (float)right * s.gx) + (float)down * s.gy;
                int i = y * 2 * size + x;
                if (!(w > held[i])) continue;
                if ((s.flags & 1) && !solid(cutout(triangles[t], vertices, texture), x + 0.5f, y + 0.5f, albedo)) continue;
                held[i] = w, numbers[i] = t + 1;
            }
    }
}
"""


def soup(rng: np.random.Generator, size: int, kind: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Vertices [V, 16] and triangles [F, 4] of one kind, and others of every kind; materials whole, cutout and two-sided."""
    side = 2 * size
    count = {"small": 6000, "slivers": 900, "large": 200, "ties": 900}[kind]
    middle = rng.uniform(-4, side + 4, (count, 1, 2))
    reach: Any = {"small": 3.0, "slivers": 40.0, "large": 1.0, "ties": 12.0}[kind]
    reach = side * 10 ** rng.uniform(-1, 0.8, (count, 1, 1)) if kind == "large" else reach
    corners = middle + reach * rng.uniform(-1, 1, (count, 3, 2))
    if kind == "slivers":  # the third corner all but between the others; some level, upright or diagonal
        share = rng.random((count, 1))
        corners[:, 2] = corners[:, 0] + share * (corners[:, 1] - corners[:, 0]) + rng.uniform(-0.4, 0.4, (count, 2))
        corners[: count // 3, 1, 1] = corners[: count // 3, 0, 1]
        corners[count // 3 : count // 2, 1, 0] = corners[count // 3 : count // 2, 0, 0]
    if kind == "ties":  # corners on samples' centres, edges shared, depths alike
        corners = np.floor(corners / 4) * 4 + 0.5
    corners = np.rint(corners * 256) / 256
    near = rng.uniform(0.5, 3, (count, 3))
    if kind == "ties":
        near = np.repeat(rng.integers(1, 3, (count, 1)), 3, 1).astype(float)
    near[rng.random((count, 3)) < 0.01] = 0  # a corner that came too near
    vertices = np.zeros((3 * count, 16), np.float32)
    vertices[:, :2], vertices[:, 2], vertices[:, 10:12] = corners.reshape(-1, 2), near.ravel(), rng.random((3 * count, 2))
    triangles = np.column_stack([np.arange(3 * count).reshape(-1, 3), rng.integers(0, 3, count)])
    again = triangles[rng.integers(0, count, count // 4)]  # the same ones once more, some of another material
    again[::2, 3] = rng.integers(0, 3, len(again[::2]))
    return vertices, rng.permutation(np.concatenate([triangles, again])).astype(np.int32)


@pytest.fixture(scope="session")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if cuda_on_host.compiler() is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("one_by_one")
    return cuda_on_host.compiled(folder, "one_by_one", source("picture") + ONE_BY_ONE).one_by_one


@pytest.fixture(scope="module", params=["", "#define WALK 0\n#define CLOCKS\n"], ids=["pixels", "rows"])
def way(request: pytest.FixtureRequest, device: Device, tmp_path_factory: pytest.TempPathFactory) -> Device:
    """`device`, or on the host the other way to find what is nearest, with the clocks of benchmarks."""
    if not request.param:
        return device
    if device.info != "host":
        pytest.skip("benchmarks/gpu_tune.py compares both on a GPU")
    return cuda_on_host.HostDevice(cuda_on_host.build(tmp_path_factory.mktemp("rows"), request.param))


@pytest.mark.parametrize("full", [False, True], ids=["listed", "lists full"])
@pytest.mark.parametrize("kind", ["small", "slivers", "large", "ties"])
def test_of_any_triangles_the_nearest_are_found_as_one_by_one(kind: str, full: bool, one_by_one: Any, way: Device) -> None:
    """All at once over tiles and their borders, against each triangle's every sample in turn: the same numbers, bit for bit."""
    device = way
    size, frames = 50, 2
    side = -(-2 * size // 32)
    rng = np.random.default_rng(sorted(["small", "slivers", "large", "ties"]).index(kind))
    made = [soup(rng, size, kind) for _ in range(frames)]
    triangles = made[0][1]
    vertices = np.stack([v for v, _ in made])
    count, room = len(triangles), 16 if full else len(triangles)
    texture = rng.integers(0, 256, (16 * 16, 4), np.uint8)
    levels = np.array([[0, 16]] * 3, np.int32)
    shape = (np.int32(count), np.int32(vertices.shape[1]), np.int32(size))
    there = [device.array(x) for x in (triangles, np.array([0, 1, 2], np.int32), vertices, levels, texture)]
    faces, flags, points, level, texels = there
    setups, numbers = device.zeros((frames, count, 48), np.uint8), device.zeros((frames, 2 * size, 2 * size), np.uint32)
    counts, lists = device.zeros((frames, side**2), np.uint32), device.zeros((frames, side**2, room), np.int32)
    over = (-(-count // 128), frames, 1)
    device.launch("setup", over, (128, 1, 1), (*shape, faces, flags, points, setups, np.int32(room), counts, lists), 0)
    assert (device.copy_out(counts, frames, 0) > room).any() == full
    assert full or kind != "small" or device.copy_out(counts, frames, 0).max() > 256  # more than a block holds at once
    device.launch("visibility", (side, side, frames), PIXELS, (
        shape[2], shape[0], shape[1], np.int32(room), faces, points, setups, counts, lists, level, texels, numbers),
        0)  # fmt: skip
    found = device.copy_out(numbers, frames, 0)
    ready = device.copy_out(setups, frames, 0)
    for frame in range(frames):
        expected = np.zeros((2 * size, 2 * size), np.uint32)
        held = np.zeros((2 * size, 2 * size), np.float32)
        arrays = (triangles, vertices[frame], np.ascontiguousarray(ready[frame]), levels, texture, expected, held)
        one_by_one(size, count, *(ctypes.c_void_p(a.ctypes.data) for a in arrays))
        assert len(np.unique(expected)) > 10
        kinds = triangles[expected[expected > 0].astype(int) - 1, 3]
        assert set(kinds) == {0, 1, 2}  # whole ones, cutouts and backs are seen
        assert np.array_equal(found[frame], expected)


def test_nothing_is_made_after_construction(avatar: Avatar, kernels: dict[str, Any]) -> None:
    device = cuda_on_host.HostDevice(kernels)
    with CudaRenderer(avatar, 32, 2, device=device) as gpu:
        made = device.made
        folded = np.zeros((2, 8, 8, 160), np.float16)
        for seed in range(6):  # more than there are slots
            count = gpu.upload(motion(2, seed=seed))
            gpu.place(count)
            gpu.draw(count, folded=folded)
        assert device.made == made
    assert device.launched["shade"] == 6
    assert not device.closed  # it was the caller's


def test_a_renderer_says_what_it_takes_and_when(avatar: Avatar, kernels: dict[str, Any]) -> None:
    device = cuda_on_host.HostDevice(kernels)
    for size, batch in ((8, 1), (4096, 1), (64, 0), (64, 65)):
        with pytest.raises(UsageError, match="give"):
            CudaRenderer(avatar, size, batch, device=device)
    gpu = CudaRenderer(avatar, 50, 2, device=device)
    with pytest.raises(UsageError, match="batch of 3 frames"):
        gpu.upload(motion(3))
    with pytest.raises(UsageError, match="batch of 0 frames"):
        gpu.place(0)
    with pytest.raises(UsageError, match="multiple of 4"):
        gpu.draw(1, folded=np.zeros(1))
    with pytest.raises(AnimacyError, match="not finite"):
        gpu.render(motion(yaw=np.nan))
    gpu.close()
    gpu.close()
    for call in (lambda: gpu.render(motion()), lambda: gpu.upload(motion()), lambda: gpu.place(1), lambda: gpu.draw(1)):
        with pytest.raises(AnimacyError, match="closed"):
            call()

    class Full(cuda_on_host.HostDevice):
        def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
            raise MemoryError("out of\nmemory")

    with pytest.raises(AnimacyError, match=r"no room for 2 frames of 50 pixels on host \(out of memory\); give less"):
        CudaRenderer(avatar, 50, 2, device=Full(kernels))


# Conversions


def steps_apart(a: NDArray[np.float16], b: NDArray[np.float16]) -> int:
    """How many FP16 numbers lie between two at most; for numbers that are not -0."""
    ordered = [np.where(x.view(np.int16) < 0, -(x.view(np.int16) & 0x7FFF).astype(int), x.view(np.int16)) for x in (a, b)]
    return int(np.abs(ordered[0] - ordered[1]).max())


def test_fp16_on_the_host_is_numpys(kernels: dict[str, Any]) -> None:
    """The shim's own conversion, of every FP16 number and of those between: `tensor` scales a byte to them."""
    device = cuda_on_host.HostDevice(kernels)
    rng = np.random.default_rng(0)
    scales = np.concatenate([rng.normal(0, 1, 400) * 10.0 ** rng.integers(-8, 6, 400), [1, 2**-24, 2**-25, 65504, 65520, 3e-5]])
    for scale in scales.astype(np.float32):
        out = np.zeros((1, 1, 1, 1), np.float16)
        Tensors(1, 1, [(0, 0, 1, 1)], 1, 1, Layout.chw(1, 1, 1), scale=[scale], bias=[0], device=device).into(
            out, np.ones((1, 1, 1, 1), np.uint8), pixel_step=1
        )
        with np.errstate(over="ignore"):
            assert out.view(np.uint16) == scale.astype(np.float16).view(np.uint16), scale


@pytest.mark.parametrize("method", ["area", "bilinear"])
@pytest.mark.parametrize(
    ("crop", "width", "height"),
    [
        ((0, 0, 37, 29), 37, 29),
        ((3, 5, 30, 21), 10, 7),
        ((1, 2, 31, 17), 24, 12),
        ((4, 4, 9, 8), 20, 28),
        ((36, 28, 1, 1), 4, 4),
    ],
)
def test_tensors_are_their_twins(method: Any, crop: tuple[int, int, int, int], width: int, height: int, device: Device) -> None:
    rng = np.random.default_rng(width)
    source_ = rng.integers(0, 256, (2, 31, 41, 4), np.uint8)  # 37x29 pixels in rows with a gap, frames with a gap
    scale, bias = rng.uniform(0.002, 0.03, 4).astype(np.float32), rng.uniform(-1, 1, 4).astype(np.float32)
    crops = [crop, (0, 0, 5, 3)]
    layouts = {
        "chw": (Layout.chw(4, height, width), (2, 4, height, width)),
        "hwc": (Layout.hwc(4, height, width), (2, height, width, 4)),
    }
    if width % 4 == 0 and height % 4 == 0:
        layouts["folded"] = (Layout.hwc(4, height, width, 4), (2, height // 4, width // 4, 64))
    if width % 2 == 0 and height % 2 == 0:
        layouts["by two"] = (Layout.hwc(4, height, width, 2), (2, height // 2, width // 2, 16))
    expected = np.stack(
        [twins.tensor(s[:29, :37], c, width, height, method, scale, bias) for s, c in zip(source_, crops, strict=True)]
    )
    orders = {"chw": lambda x: x, "hwc": lambda x: twins.fold(x, 1), "folded": lambda x: twins.fold(x, 4)}
    orders["by two"] = lambda x: twins.fold(x, 2)
    there = device.array(source_)
    for name, (layout, shape) in layouts.items():
        out = device.zeros(shape, np.float16)
        tensors = Tensors(37, 29, crops, width, height, layout, scale=scale, bias=bias, method=method, device=device)
        tensors.into(out, there, row_step=41 * 4, frame_step=31 * 41 * 4)
        ours, theirs = device.copy_out(out, 2, 0), orders[name](expected)
        close = np.abs(ours.astype(np.float64) - theirs.astype(np.float64)) < 1e-5  # near 0, where steps are finer than sums
        assert steps_apart(np.where(close, 0, ours).astype(np.float16), np.where(close, 0, theirs).astype(np.float16)) <= 1, (
            name
        )


def test_fewer_channels_and_frames_are_converted_too(device: Device) -> None:
    rng = np.random.default_rng(1)
    pictures = rng.integers(0, 256, (3, 6, 5, 2), np.uint8)
    out = device.zeros((3, 6, 5, 2), np.float16)
    tensors = Tensors(5, 6, [(0, 0, 5, 6)] * 3, 5, 6, Layout.hwc(2, 6, 5), scale=[1, 1], bias=[0, -128], device=device)
    tensors.into(out, device.array(pictures), count=2, pixel_step=2)
    assert np.array_equal(device.copy_out(out, 3, 0), np.concatenate([pictures[:2] - np.array([0.0, 128]), pictures[2:] * 0]))


def painted(count: int, height: int, width: int, seed: int = 0) -> NDArray[np.float16]:
    """[count, 4, H, W] such as a network paints: beyond 0 and 1, colours above alpha, and something that is no number."""
    rng = np.random.default_rng(seed)
    picture = rng.uniform(-0.1, 1.1, (count, 4, height, width)).astype(np.float16)
    picture[:, 3, : height // 3] = 1.2
    picture[0, 0, 0, 0], picture[0, 3, 0, 1], picture[0, 1, 0, 2] = np.nan, np.nan, np.inf
    return picture


@pytest.mark.parametrize("method", ["area", "bilinear"])
@pytest.mark.parametrize(("width", "height"), [(24, 16), (12, 8), (23, 15), (7, 5), (1, 1), (33, 40)])
def test_video_is_its_twin(method: Any, width: int, height: int, device: Device) -> None:
    for standard in ("709", "601"):
        for full in (False, True):
            check_video(method, width, height, standard, full, device)


def check_video(method: Any, width: int, height: int, standard: Any, full: bool, device: Device) -> None:
    background = np.random.default_rng(3).integers(0, 256, (16, 24, 3), np.uint8)
    picture = painted(2, 16, 24)
    expected = [twins.video(p, background, width, height, method, standard, full) for p in picture]
    rows, columns = (height + 1) // 2, (width + 1) // 2
    for make, pitch in ((nv12, None), (nv12, 64), (i420, None), (i420, 51)):
        planes = make(width, height, pitch)
        video = Video(
            background, Layout.chw(4, 16, 24), width, height, planes, method=method, standard=standard, full=full, device=device
        )
        out = device.array(np.full((2, planes.frame), 77, np.uint8))
        video.into(out, device.array(picture), 2)
        for frame, (luma, cb, cr) in zip(device.copy_out(out, 2, 0), expected, strict=True):
            written = np.zeros(planes.frame, bool)
            at = np.arange(height)[:, None] * planes.luma_step + np.arange(width)
            written[at] = True
            assert np.abs(frame[at].astype(int) - luma).max() <= 1
            for start, plane in ((planes.cb, cb), (planes.cr, cr)):
                at = start + np.arange(rows)[:, None] * planes.chroma_step + planes.apart * np.arange(columns)
                assert not written[at].any()
                written[at] = True
                assert np.abs(frame[at].astype(int) - plane).max() <= 1
            assert (frame[~written] == 77).all()  # gaps are left alone


def test_video_without_resizing_is_what_the_cpu_sends(device: Device) -> None:
    rng = np.random.default_rng(5)
    rgba = rng.integers(0, 256, (32, 48, 4), np.uint8)
    rgba[..., :3] = np.minimum(rgba[..., :3], rgba[..., 3:])
    background = rng.integers(0, 256, (32, 48, 3), np.uint8)
    expected = np.empty((48, 48), np.uint8)
    i420_over(rgba, background, expected)
    picture = (rgba.astype(np.float32) / 255).astype(np.float16).transpose(2, 0, 1)[None]
    layout = Layout.hwc(4, 32, 48, 4)
    out = device.zeros((1, expected.size), np.uint8)
    Video(background, layout, 48, 32, i420(48, 32), device=device).into(out, device.array(twins.fold(picture, 4)), 1)
    assert np.array_equal(device.copy_out(out, 1, 0)[0], expected.ravel())


def test_a_correction_is_added_to_the_networks_input(device: Device) -> None:
    """As the folded network gives it: its last convolution's 64 channels, and the first 64 of the 160 it was given."""
    rng = np.random.default_rng(6)
    base, picture = painted(2, 16, 16, 1), (painted(2, 16, 16, 2) - 0.5) / 4
    picture[0, 0, 0, 0] = 0
    given = np.concatenate([base, rng.random((2, 6, 16, 16)).astype(np.float16)], 1)
    layouts = Layout.hwc(4, 16, 16, 4), Layout.hwc(10, 16, 16, 4)
    background = rng.integers(0, 256, (16, 16, 3), np.uint8)
    planes = nv12(16, 16)
    video = Video(background, layouts[0], 16, 16, planes, base=layouts[1], device=device)
    correction, there = (device.array(twins.fold(x.astype(np.float16), 4)) for x in (picture, given))
    out, faces = device.zeros((2, planes.frame), np.uint8), device.zeros((2, 16, 16, 4), np.uint8)
    video.into(out, correction, 2, base=there)
    video.faces_into(faces, correction, 2, base=there)
    with np.errstate(invalid="ignore"):
        for i in range(2):
            luma, _, _ = twins.video(picture[i], background, 16, 16, "area", base=base[i])
            assert np.abs(device.copy_out(out, 2, 0)[i, :256].reshape(16, 16).astype(int) - luma).max() <= 1
            rgba = as_rgba_slow(picture[i].astype(np.float32) + base[i].astype(np.float32))
            assert np.abs(device.copy_out(faces, 2, 0)[i].astype(int) - rgba).max() <= 1
    with pytest.raises(AnimacyError, match="corrects its input"):
        video.into(out, correction, 2)


def test_faces_are_painted_as_the_cpu_does(device: Device) -> None:
    picture = painted(2, 9, 11)
    background = np.zeros((9, 11, 3), np.uint8)
    out = device.zeros((2, 9, 11, 4), np.uint8)
    Video(background, Layout.chw(4, 9, 11), 11, 9, nv12(11, 9), device=device).faces_into(out, device.array(picture), 2)
    for ours, theirs in zip(device.copy_out(out, 2, 0), picture, strict=True):
        assert np.array_equal(ours, as_rgba_slow(theirs.astype(np.float32)))
        assert (ours[..., :3] <= ours[..., 3:]).all()


def test_white_and_black_are_exact_in_every_standard() -> None:
    for standard in ("709", "601"):
        for full in (False, True):
            table = convert.matrix(standard, full)  # type: ignore[arg-type]
            for value, luma in ((0, 0 if full else 16), (255, 255 if full else 235)):
                rows = table[:, 0] + ((table[:, 1:].sum(1) * value + (1 << 15)) >> 16)
                assert rows.tolist() == [luma, 128, 128]


def test_conversions_say_what_they_take(kernels: dict[str, Any]) -> None:
    device = cuda_on_host.HostDevice(kernels)
    picture: dict[str, Any] = {"layout": Layout.chw(3, 4, 4), "scale": [1] * 3, "bias": [0] * 3, "device": device}
    for crops, side, change in (
        ([], 4, {}),
        ([(0, 0, 9, 8)], 4, {}),
        ([(-1, 0, 4, 4)], 4, {}),
        ([(0, 0, 0, 4)], 4, {}),
        ([(0, 0, 8, 8)], 0, {}),
        ([(0, 0, 8, 8)], 20000, {}),
        ([(0, 0, 8, 8)], 4, {"scale": [1] * 5, "bias": [0] * 5}),
        ([(0, 0, 8, 8)], 4, {"bias": [0]}),
        ([(0, 0, 8, 8)], 4, {"method": "cubic"}),
    ):
        with pytest.raises(UsageError):
            Tensors(8, 8, crops, side, 4, **(picture | change))
    tensors = Tensors(8, 8, [(0, 0, 8, 8)], 4, 4, **picture)
    with pytest.raises(UsageError, match="2 frames came"):
        tensors.into(np.zeros(1), np.zeros(1), count=2)
    black = np.zeros((4, 4, 3), np.uint8)
    for background, side, change in (
        (black[..., :2], 4, {}),
        (black.astype(float), 4, {}),
        (black, 0, {}),
        (black, 4, {"standard": "2020"}),
        (black, 4, {"method": "cubic"}),
    ):
        with pytest.raises(UsageError):
            Video(background, Layout.chw(4, 4, 4), side, 4, nv12(4, 4), device=device, **change)
    with pytest.raises(UsageError, match="folded"):
        Layout.hwc(4, 6, 8, 4)
    with pytest.raises(UsageError, match="NV12"):
        nv12(5, 4, 5)
    with pytest.raises(UsageError, match="I420"):
        i420(5, 4, 4)


# What stands between us and the GPU


def test_without_cupy_or_a_gpu_the_error_names_the_remedy(avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(AnimacyError, match=r"CuPy.*animacy\[gpu\].*--rasteriser cpu") as caught:
        CudaRenderer(avatar, 64)
    assert "\n" not in str(caught.value)

    def no_driver(index: int) -> Any:
        raise RuntimeError("cudaErrorInsufficientDriver:\nCUDA driver version is insufficient")

    cupy = ModuleType("cupy")
    cupy.cuda = SimpleNamespace(Device=no_driver)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(AnimacyError, match=r"GPU 0 \(cudaErrorInsufficientDriver: CUDA.*--rasteriser cpu") as caught:
        CupyDevice()
    assert "\n" not in str(caught.value)


class Array(np.ndarray):
    """A NumPy array that looks like CuPy's."""

    @property
    def __cuda_array_interface__(self) -> Any:
        return self.__array_interface__

    def get(self) -> NDArray[Any]:
        return np.array(self)


def pretended(kernels: dict[str, Any], log: list[Any], new: bool) -> ModuleType:
    """As much of CuPy as CupyDevice uses, on the host; `new`: of CuPy 14."""

    class Block:
        def __init__(self, *what: Any) -> None:
            self.what = what

        def __enter__(self) -> None:
            log.append(("enter", *self.what))

        def __exit__(self, *_: Any) -> None:
            pass

        def synchronize(self) -> None:
            log.append(("synchronise", *self.what))

        def record(self, stream: Any) -> None:
            log.append(("record", *stream.what))

        def free_all_blocks(self) -> None:
            log.append(("free", *self.what))

        def malloc(self, size: int) -> Any:
            return bytearray(size)

    class Module:
        def __init__(self, code: str, options: tuple[str, ...], backend: str) -> None:
            assert backend == "nvrtc"
            assert "--std=c++17" in options
            self.code = code

        def get_function(self, name: str) -> Any:
            assert f" {name}(" in self.code

            def call(grid: Any, block: Any, arguments: tuple[Any, ...]) -> None:
                kinds = kernels[name].argtypes[2:]
                assert [a.itemsize for a in arguments] == [ctypes.sizeof(k) for k in kinds]  # as CuPy packs them
                kernels[name]((ctypes.c_int * 3)(*grid), (ctypes.c_int * 3)(*block), *(int(a) for a in arguments))

            return call

    def copy(to: int, value: int, size: int, kind: int, stream: int) -> None:
        log.append(("copy", size, stream))
        ctypes.memmove(to, value, size)

    cupy = ModuleType("cupy")
    stream: dict[str, Any] = {"null": Block("stream", 0)}
    if new:
        stream["from_external"] = staticmethod(lambda x: Block("stream", x.__cuda_stream__()[1]))
    there: dict[str, Any] = {
        "RawModule": Module,
        "asarray": lambda x: np.array(x, order="C").view(Array),
        "zeros": lambda shape, dtype: np.zeros(shape, dtype).view(Array),
        "cuda": SimpleNamespace(
            Device=lambda index: Block("device", index),
            Event=lambda disable_timing: Block("event"),
            ExternalStream=lambda handle: Block("stream", handle),
            Stream=type("Stream", (), stream),
            MemoryPool=lambda: Block("pool"),
            PinnedMemoryPool=lambda: Block("pinned"),
            using_allocator=lambda malloc: Block("allocator"),
            runtime=SimpleNamespace(
                getDeviceProperties=lambda index: {"name": b"Pretended"}, memcpyAsync=copy, memcpyHostToDevice=1
            ),
        ),
    }
    cupy.__dict__.update(there)
    return cupy


@pytest.mark.parametrize("new", [False, True])
def test_cupy_is_given_streams_addresses_and_widths(
    new: bool, avatar: Avatar, kernels: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[Any] = []
    monkeypatch.setitem(sys.modules, "cupy", pretended(kernels, log, new))
    frames = motion(3, seed=1)
    with CudaRenderer(avatar, 48, 2, device=cuda_on_host.HostDevice(kernels)) as host:
        expected = host.render(frames)
    with CudaRenderer(avatar, 48, 2) as gpu:
        assert gpu.info == "CUDA, Pretended"
        assert same(gpu.render(frames), expected)
        log.clear()
        for _ in range(5):
            count = gpu.upload(frames.batches(2)[0], stream=1234)
            gpu.place(count, stream=1234)
            gpu.draw(count, folded=np.zeros((2, 12, 12, 160), np.float16).view(Array), stream=1234)
        assert [x[0] for x in log].count("copy") == 5
        assert all(x[-1] == 1234 for x in log if x[0] in ("copy", "record") or x[:2] == ("enter", "stream"))
        assert ("synchronise", "event") in log  # the fifth waits for the first
        log.clear()
    assert {x[1] for x in log if x[0] == "free"} == {"pool", "pinned"}


def test_addresses_come_from_numbers_and_from_what_has_an_interface() -> None:
    there = SimpleNamespace(__cuda_array_interface__={"data": (4096, False)})
    assert [address(x) for x in (None, 0, 77, there)] == [0, 0, 77, 4096]


def nvrtc() -> list[Path]:
    spec = importlib.util.find_spec("nvidia")
    places = list(spec.submodule_search_locations or []) if spec else []
    return sorted(p for place in places for p in Path(place).glob("*/lib/libnvrtc.so.*"))


@pytest.mark.parametrize("target", ["sm_75", "sm_90"])
def test_nvrtc_compiles_the_kernels_and_nothing_spills(target: str) -> None:
    """Needs no GPU, only the package nvidia-cuda-nvrtc."""
    found = nvrtc()
    if not found:
        pytest.skip("no NVRTC; pip install nvidia-cuda-nvrtc")
    for builtins in found[-1].parent.glob("libnvrtc-builtins.so.*"):
        ctypes.CDLL(str(builtins), ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(found[-1]))
    for module, (names, own) in MODULES.items():
        program, size = ctypes.c_void_p(), ctypes.c_size_t()
        assert library.nvrtcCreateProgram(ctypes.byref(program), source(module).encode(), b"", 0, None, None) == 0
        options = [f"--gpu-architecture={target}", "--std=c++17", "--ptxas-options=-v", *own]
        result = library.nvrtcCompileProgram(
            program, len(options), (ctypes.c_char_p * len(options))(*(o.encode() for o in options))
        )
        library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        library.nvrtcGetProgramLog(program, log)
        text = log.value.decode()
        assert result == 0, text
        assert text.count("0 bytes spill stores, 0 bytes spill loads") == len(names), text
        assert "warning" not in text
        library.nvrtcDestroyProgram(ctypes.byref(program))
