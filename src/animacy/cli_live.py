"""The commands of live sessions: their arguments, and what they run."""

from __future__ import annotations

import argparse
from typing import Any

from .cli import Parser, add_backend, add_rasteriser, contents, limited, print_json
from .errors import AnimacyError


def add(commands: Any, benches: Any, common: Parser) -> None:
    """Add `serve`, `live` and `bench live`."""
    painting = Parser(add_help=False)
    painting.add_argument("--size", type=int, default=256, help="pixels a side, an even number (256)")
    painting.add_argument("--fps", type=int, default=25, help="frames a second (25)")
    painting.add_argument("--voice", default="auto", help="used unless another is asked for; auto: one a language (auto)")
    add_rasteriser(painting)
    painting.add_argument("--generator", choices=("auto", "none", "lite", "full"), default="auto", help="what paints (auto)")
    add_backend(painting)
    painting.add_argument(
        "--prepare",
        choices=("plain", "compiled", "fused"),
        default="compiled",
        help="how PyTorch's network is made ready on a GPU: plain starts soonest; compiled by PyTorch's compiler (a minute "
        "or more) or fused by our own kernels it paints faster (compiled)",
    )

    serve = commands.add_parser(
        "serve", parents=[common, painting], help="serve live sessions", description="Serve live sessions. Needs animacy[live]."
    )
    serve.add_argument("--host", default="127.0.0.1", help="where to listen; without --key-file a loopback's (127.0.0.1)")
    serve.add_argument("--port", type=int, default=8080, help="0: any that is free (8080)")
    serve.add_argument("--avatar", action="append", help="a name or a bundle's path; more than once for more (all that ship)")
    serve.add_argument("--max-sessions", type=int, default=16, help="at a time (16)")
    serve.add_argument("--max-sessions-per-key", type=int, default=8, help="at a time (8)")
    serve.add_argument("--requests-per-second", type=float, default=20.0, help="of one key (20)")
    serve.add_argument("--idle", type=float, default=60.0, help="seconds until a session is closed that nobody watches (60)")
    serve.add_argument("--drain", type=float, default=10.0, help="seconds that sessions may speak on after SIGTERM (10)")
    serve.add_argument("--key-file", metavar="FILE", help="lines NAME KEY: who may call")
    serve.add_argument("--cert", metavar="FILE.pem", help="TLS: the certificate, with --private-key")
    serve.add_argument("--private-key", metavar="FILE.pem", help="TLS: its key")
    serve.add_argument("--origin", action="append", default=[], help="of a web page elsewhere that may call (none)")
    serve.add_argument("--ice-server", action="append", default=[], metavar="URL", help="stun: or turn: for viewers (none)")
    serve.add_argument(
        "--push-to", action="append", default=[], metavar="HOST[:PORT]", help="sessions may be pushed to it (none)"
    )
    serve.add_argument("--record", metavar="FOLDER", help="sessions may be recorded into it (none)")
    serve.add_argument("--workers", type=int, default=1, help="processes that hold the sessions, behind this one address (1)")
    serve.add_argument("--mps", action="store_true", help="let --workers share the GPU under an MPS daemon of their own")
    serve.set_defaults(run=_serve)

    live = commands.add_parser("live", help="talk to a server", description="Talk to a server that `animacy serve` runs.")
    verbs = live.add_subparsers(dest="verb", required=True, metavar="say")
    say = verbs.add_parser(
        "say",
        parents=[common],
        help="say a text in a live session, and print what is heard",
        description="Say a text in a live session, and print what is heard. Needs animacy[live].",
    )
    say.add_argument("text", metavar="TEXT", help="what to say; - reads standard input")
    say.add_argument("--url", default="http://127.0.0.1:8080", help="the server's address (%(default)s)")
    say.add_argument("--key-file", metavar="FILE", help="holds the key, or a line NAME KEY as the server's file does")
    say.add_argument("--key", help="shows in the list of processes: rather give --key-file, or ANIMACY_KEY in the environment")
    say.add_argument("--insecure", action="store_true", help="do not check whose certificate it is")
    say.add_argument("--avatar", help="one of the server's (its first)")
    say.add_argument("--voice", help="one of the server's (its first)")
    say.add_argument("--markup", choices=("auto", "none", "plain", "ssml"), help="of the text (auto)")
    say.add_argument("--session", metavar="ID", help="one that is open, and is left so (a new one, closed at the end)")
    say.add_argument("--wait", action="store_true", help="with --session: until it was heard, as is done without")
    say.add_argument("--json", action="store_true", help="print each event as one line of JSON")
    say.set_defaults(run=_say)

    bench = benches.add_parser("live", parents=[common, painting], help="live sessions, from text to packets")
    bench.add_argument("--avatar", default="default", help="a name or a bundle's path (default)")
    bench.add_argument("--sessions", type=int, default=1, help="at a time (1)")
    bench.add_argument("--seconds", type=float, default=60.0, help="of which they speak half; with --find of each trial (60)")
    bench.add_argument("--find", action="store_true", help="find the most sessions whose p99 lateness stays under one frame")
    bench.add_argument("--most", type=int, default=256, help="with --find: try no more sessions than that (256)")
    bench.add_argument("--cached", action="store_true", help="say texts whose speech was made before: without synthesis")
    bench.add_argument("--json", action="store_true", help="print JSON")
    bench.set_defaults(run=_bench_live)


def _serve(arguments: argparse.Namespace) -> None:
    try:
        from .live.command import serve
    except ModuleNotFoundError as error:
        raise AnimacyError(f"the server needs {error.name}: pip install 'animacy[live]'") from error
    serve(arguments)


def _say(arguments: argparse.Namespace) -> None:
    try:
        from .live.telling import say
    except ModuleNotFoundError as error:
        raise AnimacyError(f"a client needs {error.name}: pip install 'animacy[live]'") from error
    say(arguments, limited(contents("-"), "standard input") if arguments.text == "-" else arguments.text)


def _bench_live(arguments: argparse.Namespace) -> None:
    from .live.bench import bench

    figures = bench(arguments)
    if arguments.json:
        print_json(figures)
    else:
        for name, value in figures.items():
            if name == "trials":  # they were told as they came
                continue
            print(f"{name:<24} {value}")
