"""TensorRT's own parser and builder on the networks as they are exported, without a GPU.

NVIDIA's packages on PyPI fetch their libraries from elsewhere. What can be had from PyPI alone is the Python bindings, and in
another package TensorRT-RTX's libraries; a stand-in library joins the two. Engines are built and asked about, and not run: that
needs a card.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from animacy.errors import AnimacyError
from animacy.gpu import tensorrt

WHEELS = ("tensorrt-cu13-bindings==11.4.0.106", "onnxruntime-ep-nv-tensorrt-rtx-cu13==0.5.0")
STAND_IN = r"""
#include <dlfcn.h>
#include <stdlib.h>
static void *entry(const char *library, const char *name) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_GLOBAL), *found = handle ? dlsym(handle, name) : 0;
    if (!found) abort();
    return found;
}
#define RTX(name) entry("libtensorrt_rtx.so.1", name)
#define PARSER(name) entry("libtensorrt_onnxparser_rtx.so.1", name)
void *createInferBuilder_INTERNAL(void *log, int v) {
    return ((void *(*)(void *, int))RTX("createInferBuilder_INTERNAL"))(log, 10701);
}
void *createInferRuntime_INTERNAL(void *log, int v) {
    return ((void *(*)(void *, int))RTX("createInferRuntime_INTERNAL"))(log, 10701);
}
void *createInferRefitter_INTERNAL(void *e, void *log, int v) {
    return ((void *(*)(void *, void *, int))RTX("createInferRefitter_INTERNAL"))(e, log, 10701);
}
void *createNvOnnxParser_INTERNAL(void *n, void *log, int v) {
    return ((void *(*)(void *, void *, int))PARSER("createNvOnnxParser_INTERNAL"))(n, log, v);
}
void *createNvOnnxParserRefitter_INTERNAL(void *r, void *log, int v) {
    return ((void *(*)(void *, void *, int))PARSER("createNvOnnxParserRefitter_INTERNAL"))(r, log, v);
}
int getNvOnnxParserVersion(void) { return ((int (*)(void))PARSER("getNvOnnxParserVersion"))(); }
void *getPluginRegistry(void) { return ((void *(*)(void))RTX("getPluginRegistry"))(); }
void *getBuilderPluginRegistry(int c) { return ((void *(*)(int))RTX("getBuilderPluginRegistry"))(c); }
int initLibNvInferPlugins(void *log, const char *space) { return 1; }
"""
BUILD = """
import json, sys
from pathlib import Path
from animacy.gpu import tensorrt
trt = tensorrt.module()
told, sizes = [], {}
for name in sys.argv[1:]:
    data = Path(name).read_bytes()
    engine = tensorrt.build(data, trt=trt, report=told.append)
    sizes[Path(name).stem] = len(engine)
    Path(name).with_suffix(".engine").write_bytes(engine)
from animacy.gpu.weights import folded_half
logger = trt.Logger(trt.Logger.ERROR)
definition = trt.Builder(logger).create_network(0)
parser = trt.OnnxParser(definition, logger)
assert parser.parse(folded_half(data))
ports = [definition.get_input(0), definition.get_output(0)]
print(json.dumps({"module": trt.__name__, "sizes": sizes, "told": told,
    "ports": [[p.name, list(p.shape), str(p.dtype).rsplit(".", 1)[-1]] for p in ports]}))
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with bindings and libraries, obtained, or the tests are skipped with the reason."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sys.platform != "linux" or os.uname().machine != "x86_64" or compiler is None:
        pytest.skip("needs Linux on x86-64 and a C compiler")
    folder = tmp_path_factory.mktemp("tensorrt")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q", "--no-deps", "-d", str(folder)]
    try:
        got = subprocess.run([*pip, *WHEELS], capture_output=True, text=True, timeout=15)
    except subprocess.TimeoutExpired:
        pytest.skip("TensorRT's packages did not come in 15 s")
    if got.returncode:
        pytest.skip(f"TensorRT's packages cannot be had: {got.stderr.strip().splitlines()[-1:]}")
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith("tensorrt_bindings/") or "/libtensorrt_rtx.so" in name or "/libtensorrt_onnxparser" in name:
                    archive.extract(name, folder)
        wheel.unlink()
    inner = folder / "onnxruntime_ep_nv_tensorrt_rtx"
    for name in ("libtensorrt_rtx", "libtensorrt_onnxparser_rtx"):
        (real,) = inner.glob(f"{name}.so.*")
        for link in (f"{name}.so", f"{name}.so.1"):
            (folder / link).symlink_to(real)
    (folder / "stand_in.c").write_text(STAND_IN)
    (folder / "empty.c").write_text("")
    for source, name in (("stand_in.c", "libnvinfer"), ("empty.c", "libnvinfer_plugin"), ("empty.c", "libnvonnxparser")):
        command = [compiler, "-shared", "-fPIC", "-o", str(folder / f"{name}.so.11"), str(folder / source), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)
    return folder


def test_the_real_builder_makes_engines_of_both_networks(libraries: Path, tmp_path: Path) -> None:
    torch_side = pytest.importorskip("animacy.gpu.torch", reason="stand-ins of the networks need PyTorch")
    from animacy.train.generator import export

    names = []
    for name in ("lite", "full"):
        network, size = torch_side.stand_in(name)
        export(network, tmp_path / f"{name}.onnx", size, half=True)
        names.append(str(tmp_path / f"{name}.onnx"))
    python = os.pathsep.join([str(libraries), str(Path(tensorrt.__file__).parents[2])])
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries), "PYTHONPATH": python}
    done = subprocess.run([sys.executable, "-c", BUILD, *names], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["module"] == "tensorrt_bindings"
    assert report["sizes"]["full"] > report["sizes"]["lite"] > 500_000
    assert report["told"] == ["building TensorRT's engine"] * 2
    assert report["ports"] == [["folded", [-1, 160, 128, 128], "HALF"], ["painted", [-1, 64, 128, 128], "HALF"]]


class Fake(types.SimpleNamespace):
    """As much of TensorRT as `build` asks for, that remembers."""

    __name__ = "faked"
    __version__ = "1.0"

    def __init__(self, *, parses: bool = True, builds: bool = True) -> None:
        self.builds_, self.shapes, self.parsed = 0, [], b""
        self.ports = [types.SimpleNamespace(), types.SimpleNamespace()]
        fake = self

        class Builder:
            def __init__(self, logger: Any) -> None: ...
            def create_network(self, flags: int) -> Any:
                ports = fake.ports
                return types.SimpleNamespace(get_input=lambda i: ports[0], get_output=lambda i: ports[1])

            def create_builder_config(self) -> Any:
                return types.SimpleNamespace(add_optimization_profile=lambda profile: None)

            def create_optimization_profile(self) -> Any:
                return types.SimpleNamespace(set_shape=lambda *shapes: fake.shapes.append(shapes))

            def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
                fake.builds_ += 1
                return b"engine" if builds else None

        class Parser:
            num_errors = 1

            def __init__(self, network: Any, logger: Any) -> None: ...
            def parse(self, data: bytes) -> bool:
                fake.parsed = data
                return parses

            def get_error(self, i: int) -> str:
                return "no such\noperator"

        logger = type("Logger", (), {"ERROR": 0, "__init__": lambda self, level: None})
        super().__init__(TensorFormat=types.SimpleNamespace(HWC8=2), Builder=Builder, OnnxParser=Parser, Logger=logger)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pytest.importorskip("torch", reason="networks are made by PyTorch")
    from animacy.train import generator

    path = tmp_path_factory.mktemp("network") / "a.onnx"
    generator.export(generator.Network(generator.Shape(64, 4, (8, 8, 12, 16), 1.0)).eval(), path, 64, half=True)
    return path.read_bytes()


def test_engines_are_kept_by_network_card_and_version(network: bytes, tmp_path: Path) -> None:
    fake = Fake()
    for _ in range(2):
        assert tensorrt.kept(network, "a card", tmp_path, trt=fake) == b"engine"
    assert fake.builds_ == 1
    assert [port.allowed_formats for port in fake.ports] == [4, 4]
    assert fake.shapes == [("folded", (1, 160, 16, 16), (16, 160, 16, 16), (64, 160, 16, 16))]
    tensorrt.kept(network, "another card", tmp_path, trt=fake)
    fake.__version__ = "2.0"
    tensorrt.kept(network, "a card", tmp_path, trt=fake)
    assert fake.builds_ == 3
    assert len(list(tmp_path.glob("*.engine"))) == 3 and not list(tmp_path.glob("*.part*"))


@pytest.mark.parametrize(
    ("how", "said"), [({"parses": False}, "refuses.*no such operator"), ({"builds": False}, "cannot build")]
)
def test_what_tensorrt_refuses_is_one_line(network: bytes, tmp_path: Path, how: dict[str, bool], said: str) -> None:
    with pytest.raises(AnimacyError, match=said) as caught:
        tensorrt.kept(network, "a card", tmp_path, trt=Fake(**how))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_without_tensorrt_the_error_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tensorrt.MODULES:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(AnimacyError, match="pip install tensorrt, or paint with --generator-backend torch"):
        tensorrt.module()


def test_folding_is_pytorchs_and_undone() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).random((2, 4, 16, 16)).astype(np.float16)
    y = tensorrt.folded(x.astype(np.float32), 4)
    expected = torch.nn.functional.pixel_unshuffle(torch.from_numpy(x), 4).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(y, expected)
    assert np.array_equal(tensorrt.unfolded(y.ravel(), 2, 16, 4), x.astype(np.float32))
