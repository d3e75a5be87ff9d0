"""A load profile against any deployed gateway: `python -m tests.load --profile steady --url http://HOST:PORT`.

The key is AUTH_TOKEN's, else API_KEY's. Exit code: 0 when every objective of the SLO file was kept, 1 when
one was missed, 2 when nothing was measured. An HTML report and CSV files are left in --out.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tests.load.slo import WrongFile, read_slo
from tests.load.target import Unreachable, learned

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROFILES = tuple(sorted(file.stem for file in (HERE / "profiles").glob("*.py")))
_RPC_PORT = 50051
_HOW = (
    "Say what to load: --url http://HOST:PORT (or MODEL_ENDPOINT), and its key in AUTH_TOKEN or API_KEY. "
    "`make run` starts a gateway at http://127.0.0.1:38300."
)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--profile", choices=PROFILES, default="steady")
    parser.add_argument("--url", "--host", default=os.environ.get("MODEL_ENDPOINT", ""))
    parser.add_argument(
        "--rpc", help=f"HOST:PORT of the gRPC door; by default port {_RPC_PORT} of the same host"
    )
    parser.add_argument("--users", type=int, default=10, help="at once, at most")
    parser.add_argument("--spawn-rate", type=float, help="users a second; by default all within two seconds")
    parser.add_argument("--run-time", default="60s", help="60s, 5m, 1h30m")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds, then a request has failed")
    parser.add_argument("--slo", type=Path, default=HERE / "slo.toml", help="the file of objectives")
    parser.add_argument("--out", type=Path, help="folder of the reports; by default state/load/PROFILE")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(arguments)
    key = os.environ.get("AUTH_TOKEN") or os.environ.get("API_KEY")
    try:
        read_slo(chosen.slo, chosen.profile)
        if not chosen.url or not key:
            raise Unreachable(_HOW)
        url = _origin(chosen.url)
        learned(url, key)
    except (WrongFile, Unreachable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    out = chosen.out or ROOT / "state" / "load" / chosen.profile
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--loglevel", "WARNING"]
    command += ["--locustfile", str(HERE / "profiles" / f"{chosen.profile}.py"), "--profile", chosen.profile]
    command += ["--host", url, "--rpc", chosen.rpc or f"{urlsplit(url).hostname}:{_RPC_PORT}"]
    command += ["--users", str(chosen.users), "--run-time", chosen.run_time]
    command += ["--spawn-rate", str(chosen.spawn_rate or max(1.0, chosen.users / 2))]
    # Requests under way at the end are waited for, so that a hang is seen.
    command += ["--patience", str(chosen.patience), "--stop-timeout", str(int(chosen.patience) + 5)]
    command += ["--slo", str(chosen.slo), "--html", str(out / "report.html"), "--csv", str(out / "stats")]
    # A process of its own: Locust patches the whole standard library for gevent.
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "AUTH_TOKEN": key}, check=False).returncode


def _origin(address: str) -> str:
    """Scheme, host and port: an endpoint may be told with a model's path. Raises Unreachable."""
    try:
        parts = urlsplit(address)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = None
    if not known:
        raise Unreachable(f"{address} is no http:// or https:// address.")
    return f"{parts.scheme}://{parts.netloc}"


if __name__ == "__main__":
    sys.exit(main())
