"""`python -m ui`: serves the dashboard with Streamlit."""

import os
import sys
from pathlib import Path

from ui.settings import read_settings

_ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    try:
        said = read_settings()
    except ValueError as error:
        sys.stderr.write(f"setting {error}\n")
        return 2
    options = {
        "server.address": said.host,
        "server.port": said.port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.maxUploadSize": said.max_upload_mb,
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",  # a traceback may quote what somebody typed
        "theme.primaryColor": "#2f54eb",
        "theme.baseRadius": "medium",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    # Streamlit puts the script's folder on the path, not the package's.
    places = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    app = str(_ROOT / "ui/entry/serve.py")
    os.execve(sys.executable, [sys.executable, "-m", "streamlit", "run", app, *flags], found)  # noqa: S606
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
