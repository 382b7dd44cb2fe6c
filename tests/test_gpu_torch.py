"""The network in PyTorch, on the CPU: what can be said of it without a GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import synthetic
from animacy.errors import AnimacyError

torch = pytest.importorskip("torch", reason="needs pip install 'animacy[train]'")

from animacy.classic import Classic, OnnxInference  # noqa: E402
from animacy.generate.onnx import OnnxGenerator  # noqa: E402
from animacy.gpu import torch as on_torch  # noqa: E402
from animacy.gpu.weights import folded_half, read_weights  # noqa: E402
from animacy.render.cpu import CpuRenderer  # noqa: E402
from animacy.train import generator  # noqa: E402
from animacy.types import Conditions, Motion  # noqa: E402

TINY = generator.Shape(64, 4, (8, 8, 12, 16), 1.0)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def network() -> generator.Network:
    torch.manual_seed(1)
    network = generator.Network(TINY).eval()
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.08)
    return network


@pytest.fixture(scope="module")
def files(network: generator.Network, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, bytes]:
    folder = tmp_path_factory.mktemp("onnx")
    for half in (False, True):
        generator.export(network, folder / f"{half}.onnx", TINY.size, half=half)
    return {half: (folder / f"{half}.onnx").read_bytes() for half in (False, True)}


def conditions(count: int) -> Conditions:
    c = np.random.default_rng(2).integers(0, 256, (count, 64, 64, 10), np.uint8)
    return Conditions(c[..., :4], c[..., 4:8], c[..., 8:])


def painted(network: generator.Network, c: Conditions) -> np.ndarray:
    planes = np.concatenate([c.shaded, c.unlit, c.normal], -1).transpose(0, 3, 1, 2)
    return generator.paint(network, planes).transpose(0, 2, 3, 1)


def test_weights_come_back_as_they_were_written(network: generator.Network, files: dict[bool, bytes]) -> None:
    for half, data in files.items():
        again, size = on_torch.network_of(data)
        assert size == 64
        assert again.state_dict().keys() == network.state_dict().keys()
        for name, value in network.state_dict().items():
            expected = value.half().float() if half else value
            assert torch.equal(again.state_dict()[name], expected), name


@pytest.mark.parametrize("batches", [(1,), (2, 4)])
def test_between_folded_pixels_it_paints_the_same(network: generator.Network, batches: tuple[int, ...]) -> None:
    c = conditions(5)  # more than a batch, and a rest
    fast = on_torch.TorchGenerator(network, 64, batches, device="cpu", compiled=False, half=False)
    difference = fast.generate(c).rgba.astype(int) - painted(network, c)
    assert np.abs(difference).max() <= 1
    assert len(np.unique(fast.generate(c).rgba)) > 100


def test_buffers_hold_rows_columns_and_channels_as_promised(network: generator.Network) -> None:
    """What a kernel would do by pointer: written as [s, s, 160], read as [s, s, 64]."""
    import ctypes

    fast = on_torch.TorchGenerator(network, 64, (1, 2), device="cpu", compiled=False, half=False)
    x = np.random.default_rng(3).random((2, 10, 64, 64)).astype(np.float32)
    folded = x.reshape(2, 10, 16, 4, 16, 4).transpose(0, 2, 4, 1, 3, 5).reshape(2, 16, 16, 160)
    np.frombuffer((ctypes.c_byte * folded.nbytes).from_address(fast.input(1)), np.float32)[:] = folded.ravel()
    fast.enqueue(2, 1, 0)
    count = 2 * 16 * 16 * 64
    y = np.frombuffer((ctypes.c_byte * (4 * count)).from_address(fast.output(1)), np.float32).reshape(2, 16, 16, 4, 4, 4)
    with torch.no_grad():
        expected = network(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(y.transpose(0, 3, 1, 4, 2, 5).reshape(2, 4, 64, 64), expected, atol=1e-5)


def test_too_many_frames_and_other_sizes_are_refused(network: generator.Network) -> None:
    fast = on_torch.TorchGenerator(network, 64, (2,), device="cpu", compiled=False, half=False)
    with pytest.raises(AnimacyError, match="batch of 3 frames"):
        fast.enqueue(3, 0, 0)
    with pytest.raises(AnimacyError, match="32x32"):
        fast.generate(Conditions(*(np.zeros((1, 32, 32, n), np.uint8) for n in (4, 4, 2))))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(network: generator.Network) -> None:
    with pytest.raises(AnimacyError, match="sees no GPU"):
        on_torch.TorchGenerator(network, 64)


def test_eager_and_tuned_frameworks_serve_the_classic_path(network: generator.Network, files: dict[bool, bytes]) -> None:
    pytest.importorskip("cv2")
    avatar = synthetic.avatar(rings=12, sectors=24, texture=64)
    motion = Motion(np.full((1, 52), 0.1, np.float32), np.zeros((1, 6), np.float32), 0, 25)
    with CpuRenderer(avatar, 64, threads=1) as renderer:
        by_onnx = Classic(renderer, OnnxInference(files[False], 1), avatar.background).paint(motion)
        for tuned in (False, True):
            eager = on_torch.Eager(network, 64, "cpu", tuned=tuned)
            frame = Classic(renderer, eager, avatar.background, tuned=tuned).paint(motion)
            assert np.abs(frame.astype(int) - by_onnx).max() <= 2
            assert np.array_equal(eager.download(eager.infer(eager.upload(eager.host.copy()))).shape, (1, 4, 64, 64))


def test_stand_ins_are_as_much_work_as_what_they_stand_for_and_the_same_each_time() -> None:
    a, size = on_torch.stand_in("lite")
    b, _ = on_torch.stand_in("lite")
    assert size == 256
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("half", [False, True])
def test_the_network_in_fp16_between_folded_pixels_is_the_same_network(
    network: generator.Network, files: dict[bool, bytes], half: bool, tmp_path: Path
) -> None:
    """What an engine is built from, worked out by ONNX Runtime."""
    import onnxruntime

    data = folded_half(files[half])
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    x = torch.rand(3, 10, 64, 64)
    y = session.run(["painted"], {"folded": torch.nn.functional.pixel_unshuffle(x, 4).half().numpy()})[0]
    with torch.no_grad():
        expected = network(x)
    got = torch.nn.functional.pixel_shuffle(torch.from_numpy(y).float(), 4)
    assert y.dtype == np.float16
    assert (got - expected).square().mean() < 1e-4 * expected.square().mean()


def test_files_of_another_kind_are_refused() -> None:
    for data in (b"no network", synthetic.network(np.eye(4, 10), np.zeros(4))):
        with pytest.raises(AnimacyError, match=r"^a\.onnx is "):
            read_weights(data, "a.onnx")


def test_a_file_without_some_weights_is_refused(files: dict[bool, bytes]) -> None:
    import onnx

    model = onnx.load_model_from_string(files[False])
    kept = [i for i in model.graph.initializer if not i.name.startswith("down2.0")]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    with pytest.raises(AnimacyError, match=r"lacks the weights 'down2\.0\.0\.weight'"):
        read_weights(model.SerializeToString(), "a.onnx")


def test_a_painter_by_onnx_and_by_pytorch_agree(files: dict[bool, bytes]) -> None:
    c = conditions(2)
    loaded, size = on_torch.network_of(files[True])
    fast = on_torch.TorchGenerator(loaded, size, (2,), device="cpu", compiled=False, half=False)
    assert np.abs(fast.generate(c).rgba.astype(int) - OnnxGenerator(files[True], 1).generate(c).rgba).max() <= 2
