"""Reading, checking and writing avatar bundles.

A bundle is a folder, or a .zip of one, that holds

- `avatar.json`: schema version, name, licence, provenance, camera, lights, materials (the keys of `Avatar` below);
- `mesh.npz`: the arrays of `Avatar` from `positions` to `shape_delta`;
- `albedo.png`, `surface.png`, `background.png`: its textures;
- `lite.onnx`, `full.onnx`, where `avatar.json` names them under `generators`: networks that paint it.

No code in a bundle is executed: a network is sums and products of numbers, which ONNX Runtime computes. Every size is held
against a limit before memory is taken for it.
Units: metres, y up, the face looks along +z. Angles in degrees where the name says so.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import AnimacyError, UsageError
from ..types import ARKIT

SCHEMA = 1
SHIPPED = Path(__file__).parent  # each folder in it that holds an avatar.json is a bundle
MAX_VERTICES = 200_000
MAX_TRIANGLES = 400_000
MAX_DELTAS = 8_000_000
MAX_MATERIALS = 32
MAX_LIGHTS = 4
MAX_SIDE = 4096
MAX_FRAME = 2048
MAX_FILE = 128 << 20
MAX_ARCHIVE = 256 << 20
MAX_JSON = 1 << 20
MAX_GENERATORS = 4
MAX_NETWORK = 16 << 20
KINDS = ("skin", "eye", "tooth", "hair", "cloth")
GENERATORS = {"lite": 256, "full": 512}  # name: pixels a side that it paints


@dataclass(frozen=True, slots=True)
class Camera:
    position: tuple[float, float, float]
    target: tuple[float, float, float]
    fov_degrees: float  # vertical; frames are square
    near: float  # depth of Conditions: 255 here ...
    far: float  # ... and 0 here


@dataclass(frozen=True, slots=True)
class Light:
    """A distant light. The first one is the key light, the one that `sun` shades."""

    direction: tuple[float, float, float]  # towards the light, unit length
    colour: tuple[float, float, float]  # linear radiance, about 1


@dataclass(frozen=True, slots=True)
class Material:
    name: str
    kind: str  # one of KINDS: which shading model
    specular: float  # reflectance at normal incidence, 0..1; 0.04 for skin
    wrap: tuple[float, float, float]  # how far light wraps around the edge per linear colour channel, 0..1; skin: red most
    two_sided: bool  # drawn and lit from behind, too
    cutout: bool  # discarded where the albedo's alpha is below 0.5


@dataclass(frozen=True, slots=True)
class Training:
    """Where a network's weights come from."""

    data: str  # what it learned from
    licence: str  # of the data and of the weights
    commit: str  # of this project, when it was trained
    seed: int
    command: str
    hours: float
    card: str  # what it was trained on, e.g. a GPU's name


@dataclass(frozen=True, slots=True)
class GeneratorWeights:
    """A network that paints the avatar, and how well it does."""

    name: str  # one of GENERATORS
    size: int  # pixels a side that it takes and paints
    gflop: float  # billions of operations a frame
    psnr: float  # dB, held-out frames, over the face
    ssim: float  # -1..1, the same
    training: Training
    weights: bytes = field(repr=False)  # the .onnx file's contents; not looked into here


@dataclass(frozen=True, slots=True, eq=False)
class Avatar:
    name: str
    licence: str
    provenance: tuple[str, ...]
    frame_size: int  # pixels, the size it is made for
    camera: Camera
    lights: tuple[Light, ...]
    sky: tuple[float, float, float]  # linear ambient light from above ...
    ground: tuple[float, float, float]  # ... and from below
    materials: tuple[Material, ...]
    pivot: tuple[float, float, float]  # the head turns about this point, the top of the neck

    positions: NDArray[np.float32]  # [V, 3] at rest
    uv: NDArray[np.float32]  # [V, 2], 0..1, (0, 0) is the texture's top left corner
    tangents: NDArray[np.float32]  # [V, 4] unit tangent along +u at rest (for hair: along the strand), and handedness +-1
    triangles: NDArray[np.int32]  # [F, 3] counter-clockwise seen from outside
    material: NDArray[np.uint8]  # [F] index into materials
    weld: NDArray[np.int32]  # [V] index of the vertex whose normal it shares: seams of the UV map are smooth. weld[i] <= i
    follow: NDArray[np.float32]  # [V] 0..1: share of the head pose it takes; 0 on the shoulders, 1 on the head
    sun: NDArray[np.float32]  # [V] 0..1: how much of the key light reaches it at rest
    shape_start: NDArray[np.int32]  # [53] shape i moves the vertices shape_vertex[shape_start[i]:shape_start[i + 1]] ...
    shape_vertex: NDArray[np.int32]  # [K]
    shape_delta: NDArray[np.float32]  # [K, 3] ... by these displacements at weight 1. Order ARKIT

    albedo: NDArray[np.uint8]  # [N, N, 4] sRGB and cutout
    surface: NDArray[np.uint8]  # [N, N, 4] tangent-space normal x, y (128 = 0), roughness, ambient occlusion (255 = open)
    background: NDArray[np.uint8]  # [M, M, 3] sRGB

    generators: tuple[GeneratorWeights, ...] = ()  # networks that paint it, each name at most once


ARRAYS: dict[str, tuple[str, tuple[str | int, ...], int]] = {
    # name: dtype, shape ("V" vertices, "F" triangles, "K" deltas), most bytes
    "positions": ("float32", ("V", 3), MAX_VERTICES * 12),
    "uv": ("float32", ("V", 2), MAX_VERTICES * 8),
    "tangents": ("float32", ("V", 4), MAX_VERTICES * 16),
    "triangles": ("int32", ("F", 3), MAX_TRIANGLES * 12),
    "material": ("uint8", ("F",), MAX_TRIANGLES),
    "weld": ("int32", ("V",), MAX_VERTICES * 4),
    "follow": ("float32", ("V",), MAX_VERTICES * 4),
    "sun": ("float32", ("V",), MAX_VERTICES * 4),
    "shape_start": ("int32", (len(ARKIT) + 1,), 4 * (len(ARKIT) + 1)),
    "shape_vertex": ("int32", ("K",), MAX_DELTAS * 4),
    "shape_delta": ("float32", ("K", 3), MAX_DELTAS * 12),
}
TEXTURES = {"albedo": "RGBA", "surface": "RGBA", "background": "RGB"}


def shipped() -> tuple[str, ...]:
    """The names of the bundles that the package ships, "default" first."""
    names = (path.parent.name for path in SHIPPED.glob("*/avatar.json"))
    return tuple(sorted(names, key=lambda name: (name != "default", name)))


def find(name: str | Path) -> Path:
    """The path of the bundle called `name`: one of `shipped()`, or else a bundle's path. Raises UsageError if there is none."""
    if name in shipped():
        return SHIPPED / name
    path = Path(name)
    try:
        if name != "" and path.exists():
            return path
    except (OSError, ValueError):  # a name too long or with a NUL names nothing either
        pass
    raise UsageError(
        f"avatar {str(name)[:200]!r}: no such file or folder; give one of {', '.join(shipped())}, or the path of a bundle's "
        "folder or .zip"
    )


def load(path: str | Path) -> Avatar:
    """Read and check a bundle. Raises AnimacyError that names the file, what is wrong with it and what is needed."""
    path = Path(path)
    if path.is_dir():
        return _parse(str(path), lambda name, limit: _read_file(path / name, limit))
    if not path.exists():
        raise AnimacyError(f"avatar {path}: no such file or folder; give a bundle's folder or .zip")
    try:
        if not path.is_file():
            raise AnimacyError(f"avatar {path}: neither a file nor a folder; give a bundle's folder or .zip")
        if path.stat().st_size > MAX_ARCHIVE:
            raise AnimacyError(f"avatar {path}: {path.stat().st_size} bytes, the limit of a .zip is {MAX_ARCHIVE}")
        with zipfile.ZipFile(path) as archive:
            return _parse(str(path), lambda name, limit: _read_member(archive, name, limit))
    except UNZIP as error:
        raise AnimacyError(f"avatar {path}: not a readable .zip ({error}); give a bundle's folder or .zip") from error
    except OSError as error:
        raise AnimacyError(f"avatar {path}: {error.strerror or error}") from error


def save(avatar: Avatar, folder: str | Path) -> None:
    """Write `avatar` as a bundle into `folder`, which is made. Zip the folder's files for a .zip bundle."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    head = {
        "schema": SCHEMA,
        "name": avatar.name,
        "licence": avatar.licence,
        "provenance": list(avatar.provenance),
        "frame_size": avatar.frame_size,
        "camera": {
            "position": list(avatar.camera.position),
            "target": list(avatar.camera.target),
            "fov_degrees": avatar.camera.fov_degrees,
            "near": avatar.camera.near,
            "far": avatar.camera.far,
        },
        "lights": [{"direction": list(x.direction), "colour": list(x.colour)} for x in avatar.lights],
        "sky": list(avatar.sky),
        "ground": list(avatar.ground),
        "materials": [
            {
                "name": m.name,
                "kind": m.kind,
                "specular": m.specular,
                "wrap": list(m.wrap),
                "two_sided": m.two_sided,
                "cutout": m.cutout,
            }
            for m in avatar.materials
        ],
        "pivot": list(avatar.pivot),
        "generators": [
            {
                "name": g.name,
                "size": g.size,
                "gflop": g.gflop,
                "psnr": g.psnr,
                "ssim": g.ssim,
                "training": asdict(g.training),
            }
            for g in avatar.generators
        ],
    }
    if not avatar.generators:
        del head["generators"]
    (folder / "avatar.json").write_text(json.dumps(head, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    arrays: dict[str, Any] = {name: getattr(avatar, name) for name in ARRAYS}
    np.savez_compressed(folder / "mesh.npz", **arrays)
    for name in TEXTURES:
        Image.fromarray(getattr(avatar, name)).save(folder / f"{name}.png", optimize=True)
    for g in avatar.generators:
        (folder / f"{g.name}.onnx").write_bytes(g.weights)


Read = Callable[[str, int], bytes]  # (name, most bytes) -> contents

# What zipfile raises on archives that were cut, flipped or made up. ValueError: names and offsets that make no sense.
UNZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OverflowError, zlib.error)


def _read_file(path: Path, limit: int) -> bytes:
    try:
        if not path.is_file():  # a pipe would be waited for
            raise AnimacyError(f"{path.name}: {'not a file' if path.exists() else 'no such file'}")
        size = path.stat().st_size
        if size > limit:
            raise AnimacyError(f"{path.name} has {size} bytes, the limit is {limit}")
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise AnimacyError(f"{path.name}: {error.strerror or error}") from error


def _read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise AnimacyError(f"{name}: not in the archive (it belongs at its top level)") from None
    if info.file_size > limit:
        raise AnimacyError(f"{name} has {info.file_size} bytes, the limit is {limit}")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # LZMA's dictionary alone may take 4 GB
        raise AnimacyError(f"{name} is packed with method {info.compress_type}; needed: stored or deflated")
    try:
        with archive.open(info) as file:  # a header may lie about the size: never read past the limit
            data = file.read(limit + 1)
    except UNZIP as error:
        raise AnimacyError(f"{name} cannot be unpacked: {error}") from error
    if len(data) > limit:
        raise AnimacyError(f"{name} has more than {limit} bytes")
    return data


def _parse(path: str, read: Read) -> Avatar:
    try:
        return _build(read)
    except AnimacyError as error:
        reason = " ".join(str(error).split())  # parsers quote what they read, line breaks and all
        raise AnimacyError(f"avatar {path}: {reason[:500]}") from error


def _build(read: Read) -> Avatar:
    try:
        head = json.loads(read("avatar.json", MAX_JSON).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise AnimacyError(f"avatar.json is not JSON: {error}") from error
    if not isinstance(head, dict):
        raise AnimacyError("avatar.json holds no object")
    if type(head.get("schema")) is not int or head["schema"] != SCHEMA:  # true is not 1
        raise AnimacyError(f"avatar.json has schema {head.get('schema')!r:.40}, this version reads {SCHEMA}")
    camera = _table(head, "camera")
    materials = tuple(
        Material(
            name=_text(m, "name"),
            kind=_choice(m, "kind", KINDS),
            specular=_number(m, "specular", 0, 1),
            wrap=_vector(m, "wrap", 0, 1),
            two_sided=_flag(m, "two_sided"),
            cutout=_flag(m, "cutout"),
        )
        for m in _rows(head, "materials", MAX_MATERIALS)
    )
    lights = tuple(
        Light(direction=_unit(x, "direction"), colour=_vector(x, "colour", 0, 100)) for x in _rows(head, "lights", MAX_LIGHTS)
    )
    arrays = _arrays(read("mesh.npz", MAX_FILE), len(materials))
    textures: dict[str, Any] = {name: _texture(name, mode, read(f"{name}.png", MAX_FILE)) for name, mode in TEXTURES.items()}
    if textures["albedo"].shape != textures["surface"].shape:
        raise AnimacyError("albedo.png and surface.png differ in size; they share one UV map and need one size")
    eye = _vector(camera, "position", -100, 100)
    target = _vector(camera, "target", -100, 100)
    if math.dist(eye, target) < 1e-3 or math.dist(eye[::2], target[::2]) < 1e-6:
        raise AnimacyError("camera.position and camera.target must differ, and not only in height")
    near = _number(camera, "near", 1e-3, 1e3)
    return Avatar(
        name=_text(head, "name"),
        licence=_text(head, "licence"),
        provenance=tuple(_texts(head, "provenance")),
        frame_size=_whole(head, "frame_size", 16, MAX_FRAME),
        camera=Camera(eye, target, _number(camera, "fov_degrees", 1, 120), near, _number(camera, "far", near + 1e-3, 1e4)),
        lights=lights,
        sky=_vector(head, "sky", 0, 100),
        ground=_vector(head, "ground", 0, 100),
        materials=materials,
        pivot=_vector(head, "pivot", -100, 100),
        **arrays,
        **textures,
        generators=_generators(head, read),
    )


def _generators(head: dict[str, Any], read: Read) -> tuple[GeneratorWeights, ...]:
    if head.get("generators", []) == []:
        return ()
    found: list[GeneratorWeights] = []
    for g in _rows(head, "generators", MAX_GENERATORS):
        name, training = _choice(g, "name", tuple(GENERATORS)), _table(g, "training")
        if name in (other.name for other in found):
            raise AnimacyError(f"avatar.json: generators names {name!r} twice")
        size = _whole(g, "size", 1, MAX_FRAME)
        if size != GENERATORS[name]:
            raise AnimacyError(f"avatar.json: the generator {name!r} has size {size}, needed {GENERATORS[name]}")
        weights = GeneratorWeights(
            name=name,
            size=size,
            gflop=_number(g, "gflop", 0, 1e4),
            psnr=_number(g, "psnr", 0, 200),
            ssim=_number(g, "ssim", -1, 1),
            training=Training(
                data=_text(training, "data"),
                licence=_text(training, "licence"),
                commit=_text(training, "commit"),
                seed=_whole(training, "seed", 0, 1 << 53),
                command=_text(training, "command"),
                hours=_number(training, "hours", 0, 1e6),
                card=_text(training, "card"),
            ),
            weights=read(f"{name}.onnx", MAX_NETWORK),
        )
        if not weights.weights:
            raise AnimacyError(f"{name}.onnx is empty")
        found.append(weights)
    return tuple(found)


def _arrays(data: bytes, materials: int) -> dict[str, Any]:
    sizes: dict[str, int] = {}
    arrays: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name, (dtype, shape, limit) in ARRAYS.items():
                array = _array(name, dtype, _read_member(archive, f"{name}.npy", limit + 4096))
                if array.ndim != len(shape):
                    raise AnimacyError(f"{name} has shape {list(array.shape)}, needed {list(shape)}")
                for got, want in zip(array.shape, shape, strict=True):
                    if got != (sizes.setdefault(want, got) if isinstance(want, str) else want):
                        raise AnimacyError(f"{name} has shape {list(array.shape)}, needed {list(shape)} with {sizes}")
                arrays[name] = array
    except AnimacyError as error:
        raise AnimacyError(f"mesh.npz: {error}") from error
    except UNZIP as error:
        raise AnimacyError(f"mesh.npz is not a readable .npz: {error}") from error
    for name, array in arrays.items():
        if array.dtype == np.float32 and not np.isfinite(array).all():
            raise AnimacyError(f"mesh.npz: {name} holds numbers that are not finite")
        if array.dtype == np.float32 and array.size and np.abs(array).max() > 1000:
            raise AnimacyError(f"mesh.npz: {name} holds {np.abs(array).max():g}; positions are in metres")
    vertices, deltas = sizes["V"], sizes["K"]
    if not vertices or not sizes["F"]:
        raise AnimacyError("mesh.npz holds no triangles")
    bounds = {
        "triangles": vertices,
        "weld": vertices,
        "shape_vertex": vertices,
        "material": materials,
        "shape_start": deltas + 1,
    }
    for name, end in bounds.items():
        if arrays[name].size and (arrays[name].min() < 0 or arrays[name].max() >= end):
            raise AnimacyError(f"mesh.npz: {name} points outside of 0..{end - 1}")
    start = arrays["shape_start"]
    if start[0] != 0 or start[-1] != deltas or (np.diff(start) < 0).any():
        raise AnimacyError("mesh.npz: shape_start must rise from 0 to the number of displacements")
    if (arrays["weld"] > np.arange(vertices)).any():
        raise AnimacyError("mesh.npz: weld must point to the same or an earlier vertex")
    for name in ("follow", "sun", "uv"):
        if arrays[name].min() < 0 or arrays[name].max() > 1:
            raise AnimacyError(f"mesh.npz: {name} must lie within 0..1")
    length = np.linalg.norm(arrays["tangents"][:, :3], axis=1)
    if (np.abs(length - 1) > 0.01).any() or (np.abs(arrays["tangents"][:, 3]) != 1).any():
        raise AnimacyError("mesh.npz: tangents must be unit vectors with a handedness of 1 or -1")
    return arrays


def _array(name: str, dtype: str, data: bytes) -> NDArray[Any]:
    """An array from the bytes of a .npy file of version 1.0 as numpy.save writes it: plain numbers of `dtype`, rows first.

    Stricter than numpy.load, which evaluates the header as a Python literal and takes memory before it looks at the data.
    """
    found = NPY.match(data)
    if not found or int.from_bytes(found[1], "little") != len(found[0]) - 10:
        raise AnimacyError(f"{name} is not a .npy file of version 1.0 with plain numbers")
    descr, order, shape = found[2].decode(), found[3], tuple(int(n) for n in found[4].replace(b",", b" ").split())
    needed = np.dtype(dtype).newbyteorder("<")
    if descr != needed.str or order != b"False":
        raise AnimacyError(f"{name} holds {descr}{' by columns' if order == b'True' else ''}, needed {needed.str} by rows")
    if math.prod(shape) * needed.itemsize != len(data) - len(found[0]):
        raise AnimacyError(f"{name} says shape {list(shape)} and holds {len(data) - len(found[0])} bytes of numbers")
    return np.frombuffer(data, needed, offset=len(found[0])).reshape(shape).astype(dtype)


NPY = re.compile(
    rb"\x93NUMPY\x01\x00([\x00-\xff]{2})"
    rb"\{'descr': '([<>|][a-z][0-9]{1,2})', 'fortran_order': (True|False), "
    rb"'shape': \(([0-9]{0,9}(?:, ?[0-9]{1,9}){0,3},?)\), \} *\n"
)


def _texture(name: str, mode: str, data: bytes) -> NDArray[np.uint8]:
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")  # IHDR, the first chunk
    if data[:8] != b"\x89PNG\r\n\x1a\n" or width != height or not 1 <= width <= MAX_SIDE:
        raise AnimacyError(f"{name}.png is not a square PNG of 1 to {MAX_SIDE} pixels a side")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.size != (width, height):
                raise AnimacyError(f"{name}.png has two sizes")
            if image.mode != mode:
                raise AnimacyError(f"{name}.png has mode {image.mode}, needed {mode} with 8 bits a channel")
            return np.array(image)
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError, zlib.error, Image.DecompressionBombError) as error:
        raise AnimacyError(f"{name}.png is not a readable PNG: {error}") from error


def _get(table: dict[str, Any], key: str) -> Any:
    if key not in table:
        raise AnimacyError(f"avatar.json lacks {key!r}")
    return table[key]


def _table(table: dict[str, Any], key: str) -> dict[str, Any]:
    value = _get(table, key)
    if not isinstance(value, dict):
        raise AnimacyError(f"avatar.json: {key} must be an object")
    return value


def _rows(table: dict[str, Any], key: str, limit: int) -> list[dict[str, Any]]:
    value = _get(table, key)
    if not isinstance(value, list) or not 1 <= len(value) <= limit or not all(isinstance(x, dict) for x in value):
        raise AnimacyError(f"avatar.json: {key} must be a list of 1 to {limit} objects")
    return value


def _text(table: dict[str, Any], key: str) -> str:
    value = _get(table, key)
    if not isinstance(value, str) or not 1 <= len(value) <= 1000:
        raise AnimacyError(f"avatar.json: {key} must be a text of 1 to 1000 characters")
    return value


def _texts(table: dict[str, Any], key: str) -> list[str]:
    value = _get(table, key)
    if not isinstance(value, list) or len(value) > 100 or not all(isinstance(x, str) and len(x) <= 1000 for x in value):
        raise AnimacyError(f"avatar.json: {key} must be a list of up to 100 texts of up to 1000 characters")
    return value


def _choice(table: dict[str, Any], key: str, choices: tuple[str, ...]) -> str:
    value = _text(table, key)
    if value not in choices:
        raise AnimacyError(f"avatar.json: {key} is {value!r}, needed one of {', '.join(choices)}")
    return value


def _flag(table: dict[str, Any], key: str) -> bool:
    value = _get(table, key)
    if not isinstance(value, bool):
        raise AnimacyError(f"avatar.json: {key} must be true or false")
    return value


def _number(table: dict[str, Any], key: str, low: float, high: float) -> float:
    value = _get(table, key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise AnimacyError(f"avatar.json: {key} is {str(value)[:40]!r}, needed a number from {low:g} to {high:g}")
    return float(value)


def _whole(table: dict[str, Any], key: str, low: int, high: int) -> int:
    value = _number(table, key, low, high)
    if value != int(value):
        raise AnimacyError(f"avatar.json: {key} is {value}, needed a whole number")
    return int(value)


def _vector(table: dict[str, Any], key: str, low: float, high: float) -> tuple[float, float, float]:
    value = _get(table, key)
    if not isinstance(value, list) or len(value) != 3:
        raise AnimacyError(f"avatar.json: {key} must be a list of three numbers")
    x, y, z = (_number({key: v}, key, low, high) for v in value)
    return x, y, z


def _unit(table: dict[str, Any], key: str) -> tuple[float, float, float]:
    x, y, z = _vector(table, key, -1e6, 1e6)
    length = math.hypot(x, y, z)
    if length < 1e-6:
        raise AnimacyError(f"avatar.json: {key} must have a length")
    return x / length, y / length, z / length
