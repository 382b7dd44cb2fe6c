"""What docker/ holds names extras, files and commands that are there. No image is built here."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from animacy.cli import _parser

ROOT = Path(__file__).parents[1]
SERVICE = ROOT / "docker" / "animacy.service"


@pytest.mark.parametrize("name", ["Dockerfile.cpu", "Dockerfile.gpu"])
def test_images_name_what_is_there(name: str) -> None:
    text = (ROOT / "docker" / name).read_text()
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    extras = re.findall(r"'\.\[([\w,]+)\]'", text)
    assert extras and set(extras[0].split(",")) <= set(known)
    for line in re.findall(r"^COPY (.+)$", text, re.M):
        assert all((ROOT / source).exists() for source in line.split()[:-1])
    entry, command = (json.loads(re.findall(rf"^{word} (\[.+\])$", text, re.M)[0]) for word in ("ENTRYPOINT", "CMD"))
    assert entry == ["animacy"] and _parser().parse_args(command).host == "0.0.0.0"
    assert re.search(r"^USER (?!root)", text, re.M)
    compose = (ROOT / "docker" / "compose.yaml").read_text()
    assert f"dockerfile: docker/{name}" in compose and f"image: animacy:{name.split('.')[1]}" in compose


def test_the_unit_starts_what_is_there() -> None:
    lines = dict(line.split("=", 1) for line in SERVICE.read_text().splitlines() if "=" in line and line[0] not in "#[")
    command = shlex.split(lines["ExecStart"])
    arguments = _parser().parse_args(command[1:])
    assert command[0].endswith("/animacy") and arguments.workers == 2
    assert float(lines["TimeoutStopSec"]) > arguments.drain and lines["KillMode"] == "mixed" and lines["DynamicUser"] == "yes"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / SERVICE.name
    unit.write_text(SERVICE.read_text().replace("/opt/animacy/bin/animacy", "/bin/true"))
    told = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60)
    assert not [line for line in told.stderr.splitlines() if "animacy.service" in line], told.stderr
