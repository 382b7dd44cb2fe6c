"""What a bundle may do to the one who opens it: be loaded, or be refused with one line. Nothing else."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import synthetic
from animacy.avatar import Avatar, bundle, find, load, save, shipped
from animacy.errors import AnimacyError, UsageError


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return synthetic.avatar(rings=6, sectors=8, texture=16)


@pytest.fixture(scope="module")
def good(avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "good"
    save(avatar, folder)
    return folder


@pytest.fixture(scope="module")
def painted(avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with both networks."""
    folder = tmp_path_factory.mktemp("bundle") / "painted"
    save(replace(avatar, generators=(synthetic.generator("lite"), synthetic.generator("full"))), folder)
    return folder


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "copy"))


def zipped(folder: Path, path: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return path


def refused(path: Path, match: str = "") -> str:
    """Loading fails with one line that names the bundle."""
    with pytest.raises(AnimacyError, match=match or None) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"avatar {path}: ")
    assert "\n" not in message
    assert len(message) < 1000
    return message


def loads_or_refuses(path: Path) -> None:
    message = ""
    try:
        load(path)
    except AnimacyError as error:
        message = str(error)
    assert "\n" not in message


def edit_json(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "avatar.json"
    head = json.loads(path.read_text())
    change(head)
    path.write_text(json.dumps(head))


def edit_mesh(folder: Path, **arrays: NDArray[Any]) -> None:
    with np.load(folder / "mesh.npz") as old:
        new = {**dict(old), **arrays}
    np.savez_compressed(folder / "mesh.npz", **new)


@pytest.mark.parametrize("kind", ["folder", "zip", "stored"])
def test_what_is_saved_is_loaded(avatar: Avatar, good: Path, tmp_path: Path, kind: str) -> None:
    method = zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED
    got = load(good if kind == "folder" else zipped(good, tmp_path / "a.zip", method))
    for name in (*bundle.ARRAYS, *bundle.TEXTURES):
        assert np.array_equal(getattr(got, name), getattr(avatar, name)), name
        assert getattr(got, name).dtype == getattr(avatar, name).dtype
    for name in ("name", "licence", "provenance", "frame_size", "camera", "materials", "sky", "ground", "pivot"):
        assert getattr(got, name) == getattr(avatar, name)
    for a, b in zip(got.lights, avatar.lights, strict=True):
        assert np.allclose(a.direction, b.direction)
        assert np.linalg.norm(a.direction) == pytest.approx(1)


def test_missing_things_are_named(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(AnimacyError, match="no such file"):
        load(tmp_path / "nowhere")
    for name in ("avatar.json", "mesh.npz", "albedo.png", "surface.png", "background.png"):
        shutil.move(copy / name, tmp_path / name)
        refused(copy, name)
        refused(zipped(copy, tmp_path / "lacking.zip"), name)
        shutil.move(tmp_path / name, copy / name)
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty")


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"not a zip at all", bytes(1000)])
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.zip"
    path.write_bytes(data)
    refused(path)


def test_an_unreadable_or_odd_file_is_refused(copy: Path) -> None:
    (copy / "albedo.png").unlink()
    (copy / "albedo.png").mkdir()
    refused(copy, "albedo.png")


def at(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(head: Any) -> None:
        for key in keys[:-1]:
            head = head[key]
        head[keys[-1]] = value

    return change


def without(*keys: Any) -> Callable[[dict[str, Any]], None]:
    def change(head: Any) -> None:
        for key in keys[:-1]:
            head = head[key]
        del head[keys[-1]]

    return change


@pytest.mark.parametrize(
    "change",
    [
        at("schema", value=2),
        at("schema", value="1"),
        at("schema", value=True),
        at("name", value=""),
        at("name", value=7),
        at("name", value="x" * 2000),
        at("licence", value=None),
        at("provenance", value="a text"),
        at("provenance", value=[1]),
        at("provenance", value=["x"] * 200),
        at("frame_size", value=0),
        at("frame_size", value=1e9),
        at("frame_size", value=float("nan")),
        at("frame_size", value=True),
        at("frame_size", value=256.5),
        at("frame_size", value=10**400),
        at("camera", value=[]),
        at("camera", "position", value=[0, 0]),
        at("camera", "position", value=[0, 0, float("nan")]),
        at("camera", "position", value=[0, 0, float("inf")]),
        at("camera", "position", value=[0, -0.02, 0]),  # the target
        at("camera", "position", value=[0, 5, 0]),  # straight above it
        at("camera", "fov_degrees", value=0),
        at("camera", "fov_degrees", value=180),
        at("camera", "near", value=0),
        at("camera", "near", value=-1),
        at("camera", "far", value=0.1),
        at("lights", value=[]),
        at("lights", value=[{}] * 100),
        at("lights", value={}),
        at("lights", 0, value=3),
        at("lights", 0, "direction", value=[0, 0, 0]),
        at("lights", 0, "direction", value=[1, "up", 0]),
        at("lights", 0, "colour", value=[-1, 0, 0]),
        at("sky", value=[1, 1, 1e9]),
        at("materials", value=[]),
        at("materials", 0, "kind", value="chrome"),
        at("materials", 0, "kind", value=["skin"]),
        at("materials", 0, "specular", value=2),
        at("materials", 0, "wrap", value=[1, 1, 1, 1]),
        at("materials", 0, "two_sided", value=1),
        at("materials", value=[{"name": "one"}]),
        at("pivot", value="origin"),
        *(without(key) for key in ("schema", "name", "licence", "camera", "lights", "materials", "pivot", "sky", "frame_size")),
        *(without("camera", key) for key in ("position", "target", "fov_degrees", "near", "far")),
        *(without("materials", 0, key) for key in ("name", "kind", "specular", "wrap", "two_sided", "cutout")),
    ],
)
def test_wrong_heads_are_refused(copy: Path, change: Callable[[dict[str, Any]], None]) -> None:
    edit_json(copy, change)
    refused(copy, "avatar.json|camera")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        "[" * 100_000,
        '{"schema": 1}',
        "\ufeff{}",
        '{"schema": ' + "1" * 5000 + "}",
        "NaN",
        "x" * (2 << 20),
    ],
)
def test_what_is_no_head_is_refused(copy: Path, text: str) -> None:
    (copy / "avatar.json").write_text(text)
    refused(copy, "avatar.json")


@pytest.mark.parametrize("data", [b"\xff\xfe{}", b"\x80", "{}".encode("utf-16"), b'{"schema": 1, "name": "\x00'])
def test_a_head_that_is_no_utf8_is_refused(copy: Path, data: bytes) -> None:
    (copy / "avatar.json").write_bytes(data)
    refused(copy, "avatar.json")


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_networks_come_with_their_figures_and_their_origin(painted: Path, tmp_path: Path, kind: str) -> None:
    got = load(painted if kind == "folder" else zipped(painted, tmp_path / "a.zip")).generators
    assert got == (synthetic.generator("lite"), synthetic.generator("full"))
    assert len(repr(got)) < 1000  # a log is not to hold the weights


def test_bundles_without_the_key_or_with_an_empty_list_have_no_network(good: Path, copy: Path) -> None:
    assert "generators" not in json.loads((good / "avatar.json").read_text())
    assert load(good).generators == ()
    edit_json(copy, at("generators", value=[]))
    assert load(copy).generators == ()


def test_a_network_that_nobody_names_is_not_read(copy: Path) -> None:
    (copy / "lite.onnx").mkdir()
    assert load(copy).generators == ()


@pytest.mark.parametrize(
    "change",
    [
        *(at("generators", value=value) for value in (None, {}, "lite", 0, False, [3], ["lite"], [{}], [{}] * 100)),
        lambda head: head["generators"].append(head["generators"][0]),
        *(at("generators", 0, "name", value=name) for name in ("tiny", "", "../lite", "/etc/passwd", "lite\0", 1, ["lite"])),
        *(at("generators", 0, "size", value=size) for size in (512, 16, 0, -256, 256.5, "256", True, 10**400, None)),
        *(at("generators", 0, "gflop", value=number) for number in (-1, 1e9, "1", None, float("nan"))),
        *(at("generators", 0, "psnr", value=number) for number in (-1, 1e9, True, float("inf"))),
        *(at("generators", 0, "ssim", value=number) for number in (-1.5, 1.01, [1])),
        *(at("generators", 0, "training", value=value) for value in (None, [], "a GPU", {})),
        *(at("generators", 0, "training", key, value=7) for key in ("data", "licence", "commit", "command", "card")),
        *(at("generators", 0, "training", key, value="x" * 2000) for key in ("data", "licence", "commit", "command", "card")),
        *(at("generators", 0, "training", "seed", value=value) for value in (-1, 0.5, "0", 1e300)),
        *(at("generators", 0, "training", "hours", value=value) for value in (-1, "long", float("nan"))),
        *(without("generators", 0, key) for key in ("name", "size", "gflop", "psnr", "ssim", "training")),
        *(without("generators", 0, "training", k) for k in ("data", "licence", "commit", "seed", "command", "hours", "card")),
    ],
)
def test_wrong_words_about_networks_are_refused(
    painted: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    folder = Path(shutil.copytree(painted, tmp_path / "copy"))
    edit_json(folder, change)
    refused(folder, "avatar.json")


@pytest.mark.parametrize("name", ["lite.onnx", "full.onnx"])
def test_networks_that_are_missing_empty_or_too_large_are_refused(painted: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(painted, tmp_path / "copy"))
    (folder / name).unlink()
    refused(folder, f"{name}: no such file")
    refused(zipped(folder, tmp_path / "lacking.zip"), f"{name}: not in the archive")
    (folder / name).mkdir()
    refused(folder, f"{name}: not a file")
    (folder / name).rmdir()
    (folder / name).write_bytes(b"")
    refused(folder, f"{name} is empty")
    with (folder / name).open("wb") as file:
        file.truncate((16 << 20) + 1)
    refused(folder, f"{name} has 16777217 bytes, the limit is 16777216")
    bomb = zipped(folder, tmp_path / "bomb.zip")
    assert peak(lambda: refused(bomb, f"{name} has 16777217 bytes")) < 8 << 20


def test_bundles_that_ship_are_found_by_name_and_load() -> None:
    assert shipped()[0] == "default"
    assert len(set(shipped())) == len(shipped())
    for name in shipped():
        assert load(find(name)).name


def test_an_unknown_avatar_is_told_who_ships(tmp_path: Path) -> None:
    assert find(tmp_path) == tmp_path
    for name in ("nobody", "", "build", "a\0b", "x" * 5000, str(tmp_path / "nowhere")):
        with pytest.raises(UsageError, match="give one of default") as caught:
            find(name)
        assert all(there in str(caught.value) for there in shipped())


def broken_meshes(avatar: Avatar) -> dict[str, dict[str, NDArray[Any]]]:
    def put(array: NDArray[Any], index: Any, value: float) -> NDArray[Any]:
        array = array.copy()
        array[index] = value
        return array

    a, n = avatar, len(avatar.positions)
    return {
        "NaN position": {"positions": put(a.positions, (3, 1), np.nan)},
        "infinite uv": {"uv": put(a.uv, (0, 0), np.inf)},
        "NaN shape": {"shape_delta": put(a.shape_delta, (5, 2), np.nan)},
        "far position": {"positions": put(a.positions, (3, 1), 1e20)},
        "uv out of range": {"uv": put(a.uv, (0, 0), 1.5)},
        "sun out of range": {"sun": put(a.sun, 0, -0.1)},
        "follow out of range": {"follow": put(a.follow, 0, 2)},
        "tangent too long": {"tangents": put(a.tangents, (0, 0), 50)},
        "no handedness": {"tangents": put(a.tangents, (0, 3), 0)},
        "double positions": {"positions": a.positions.astype(np.float64)},
        "big-endian positions": {"positions": a.positions.astype(">f4")},
        "64-bit triangles": {"triangles": a.triangles.astype(np.int64)},
        "unsigned weld": {"weld": a.weld.astype(np.uint32)},
        "triangle out of range": {"triangles": put(a.triangles, (0, 0), n)},
        "negative triangle": {"triangles": put(a.triangles, (0, 0), -1)},
        "material out of range": {"material": put(a.material, 0, 5)},
        "weld forwards": {"weld": put(a.weld, 0, 1)},
        "weld out of range": {"weld": put(a.weld, n - 1, n)},
        "shape vertex out of range": {"shape_vertex": put(a.shape_vertex, 0, n)},
        "shapes not rising": {"shape_start": put(a.shape_start, 5, a.shape_start[-1])},
        "shapes too short": {"shape_start": put(a.shape_start, 52, a.shape_start[-1] - 1)},
        "shapes begin late": {"shape_start": put(a.shape_start, 0, 1)},
        "51 shapes": {"shape_start": a.shape_start[:-1]},
        "flat positions": {"positions": a.positions.ravel()},
        "two columns": {"positions": a.positions[:, :2]},
        "fewer uv": {"uv": a.uv[:-1]},
        "fewer materials": {"material": a.material[:-1]},
        "fewer deltas": {"shape_delta": a.shape_delta[:-1]},
        "no triangles": {"triangles": a.triangles[:0], "material": a.material[:0]},
        "scalar": {"positions": np.float32(1)[()].reshape(())},
        "objects": {"positions": np.array([[{}, {}, {}]] * n, object)},
        "structured": {"positions": np.zeros(n, [("x", "f4"), ("y", "f4")])},
    }


@pytest.mark.parametrize("name", list(broken_meshes(synthetic.avatar(rings=6, sectors=8, texture=16))))
def test_wrong_meshes_are_refused(avatar: Avatar, copy: Path, name: str) -> None:
    edit_mesh(copy, **broken_meshes(avatar)[name])
    refused(copy, "mesh.npz")


def test_a_shape_moves_a_vertex_once(avatar: Avatar, copy: Path) -> None:
    """A duplicate is summed, not refused: it can do no harm. It must not crash."""
    vertex = avatar.shape_vertex.copy()
    vertex[1] = vertex[0]
    edit_mesh(copy, shape_vertex=vertex)
    assert load(copy).shape_vertex[1] == vertex[0]


class Trap:
    sprung = False

    def __reduce__(self) -> tuple[Any, ...]:
        return (setattr, (Trap, "sprung", True))


def test_pickles_are_never_opened(copy: Path) -> None:
    with zipfile.ZipFile(copy / "mesh.npz") as old:
        members = {name: old.read(name) for name in old.namelist()}
    header = b"\x93NUMPY\x01\x00"
    text = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n"
    for blob in (
        header + struct.pack("<H", len(text)) + text + pickle.dumps(np.array([Trap()], object)),
        pickle.dumps(Trap()),
    ):
        with zipfile.ZipFile(copy / "mesh.npz", "w") as archive:
            for name, data in {**members, "positions.npy": blob}.items():
                archive.writestr(name, data)
        refused(copy, "mesh.npz")
        assert not Trap.sprung


def npy(descr: str, shape: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + version + struct.pack("<H" if version == b"\x01\x00" else "<I", len(text)) + text + data


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00",
        npy("'<f4'", "(1000000000000, 3)"),
        npy("'<f4'", "(-5, 3)"),
        npy("'<f4'", "(10, 3)", bytes(7)),
        npy("'<f4'", "(10.0, 3)"),
        npy("'<f4'", "'ten'"),
        npy("'nonsense'", "(1, 3)"),
        npy("'<f4'", "(1, 3)", bytes(12), b"\x02\x00"),
        npy("[('a', '<f4', (3,)), ('b', 'O')]", "(2,)", bytes(64)),
        npy("__import__('os').system('true')", "(1,)"),
        npy("'<f4'", "(" + "(" * 500 + ")" * 500 + ")"),
        npy("'<f4'", "(" * 3000),
        npy("'<f4'", "(" + "9" * 3000 + ", 3)"),
        npy("'<U1000000000'", "(1, 3)"),
        npy("'<V2147483647'", "(0, 3)"),
    ],
)
def test_lying_arrays_are_refused(copy: Path, blob: bytes) -> None:
    with zipfile.ZipFile(copy / "mesh.npz") as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(copy / "mesh.npz", "w") as archive:
        for name, data in {**members, "positions.npy": blob}.items():
            archive.writestr(name, data)
    refused(copy, "mesh.npz")


def peak(action: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["avatar.json", "mesh.npz", "albedo.png"])
def test_zip_bombs_are_not_unpacked(good: Path, tmp_path: Path, name: str) -> None:
    """300 MB of zeros in 300 kB: refused by the header, before any memory is taken."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in good.iterdir():
            if file.name != name:
                archive.write(file, file.name)
        with archive.open(name, "w") as member:
            for _ in range(300):
                member.write(bytes(1 << 20))
    assert peak(lambda: refused(path, name)) < 32 << 20


def test_a_header_that_lies_about_the_size_is_found_out(good: Path, tmp_path: Path) -> None:
    """The directory says 100 bytes, the stream holds 50 MB."""
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("avatar.json", b" " * (50 << 20))
    data = path.read_bytes().replace(struct.pack("<I", 50 << 20), struct.pack("<I", 100))
    path.write_bytes(data)
    assert peak(lambda: refused(path, "avatar.json|zip")) < 32 << 20


def test_a_bomb_inside_the_mesh_is_not_unpacked(copy: Path) -> None:
    with zipfile.ZipFile(copy / "mesh.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("positions.npy", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    assert peak(lambda: refused(copy, "mesh.npz")) < 32 << 20


def png(width: int, height: int, kind: int, rows: bytes, extra: bytes = b"") -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def broken_pictures() -> dict[str, bytes]:
    def encoded(mode: str, size: tuple[int, int], form: str = "PNG") -> bytes:
        out = io.BytesIO()
        Image.new(mode, size).save(out, form)
        return out.getvalue()

    good = encoded("RGBA", (16, 16))
    text = b"zTXt" + b"k\0\0" + zlib.compress(bytes(200 << 20))
    bomb_text = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return {
        "empty": b"",
        "truncated": good[: len(good) // 2],
        "a JPEG": encoded("RGB", (16, 16), "JPEG"),
        "a GIF": encoded("RGB", (16, 16), "GIF"),
        "grey": encoded("L", (16, 16)),
        "no alpha": encoded("RGB", (16, 16)),
        "palette": encoded("P", (16, 16)),
        "16 bits": encoded("I;16", (16, 16)),
        "not square": encoded("RGBA", (16, 8)),
        "another size": encoded("RGBA", (32, 32)),
        "huge header": png(1 << 30, 1 << 30, 6, b""),
        "over the limit": png(5000, 5000, 6, b""),
        "no width": png(0, 0, 6, b""),
        "too few rows": png(16, 16, 6, bytes(10)),
        "a text bomb": png(16, 16, 6, bytes(65 * 16), bomb_text),
        "not a picture": b"GIF89a" + bytes(100),
    }


@pytest.mark.parametrize("name", list(broken_pictures()))
def test_wrong_pictures_are_refused(copy: Path, name: str) -> None:
    (copy / "surface.png").write_bytes(broken_pictures()[name])
    refused(copy, "surface.png")


def test_truncated_bundles_are_refused(good: Path, tmp_path: Path) -> None:
    whole = zipped(good, tmp_path / "whole.zip").read_bytes()
    path = tmp_path / "cut.zip"
    for length in np.linspace(0, len(whole) - 1, 60).astype(int):
        path.write_bytes(whole[:length])
        refused(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_load_or_are_refused(good: Path, tmp_path: Path, method: int, data: st.DataObject) -> None:
    path = zipped(good, tmp_path / "flipped.zip", method)
    blob = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        # Half of the flips go to the directory at the end, where the lies have most effect.
        low = data.draw(st.sampled_from([0, max(0, len(blob) - 400)]))
        blob[data.draw(st.integers(low, len(blob) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(blob)
    loads_or_refuses(path)


@pytest.mark.parametrize("name", ["avatar.json", "mesh.npz", "albedo.png"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_of_one_file_load_or_are_refused(good: Path, tmp_path: Path, name: str, data: st.DataObject) -> None:
    folder = tmp_path / "flipped"
    shutil.copytree(good, folder, dirs_exist_ok=True)
    blob = bytearray((good / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    (folder / name).write_bytes(blob)
    loads_or_refuses(folder)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_json_in_any_place_loads_or_is_refused(good: Path, tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(good, folder, dirs_exist_ok=True)
    head = json.loads((good / "avatar.json").read_text())
    spot: Any = head
    while True:
        key = data.draw(st.sampled_from(list(spot) if isinstance(spot, dict) else range(len(spot))))
        if not spot[key] or not isinstance(spot[key], dict | list) or data.draw(st.booleans()):
            break
        spot = spot[key]
    spot[key] = data.draw(json_values)
    (folder / "avatar.json").write_text(json.dumps(head))
    loads_or_refuses(folder)
