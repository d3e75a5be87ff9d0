"""`python -m bot`: answers until SIGINT or SIGTERM."""

import sys

from pydantic import ValidationError

from bot.settings import Settings


def main() -> int:
    """Returns the exit code: 0 after a signal, 2 for settings that cannot be used, 3 for no start."""
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            where = ".".join(str(part) for part in fault["loc"]).upper()
            sys.stderr.write(f"setting {where}: {fault['msg'].removeprefix('Value error, ')}\n")
        return 2
    # Imported here: a wrong setting is told without waiting for two seconds of libraries.
    from uvicorn import Config  # noqa: PLC0415

    from bot.app import app  # noqa: PLC0415
    from bot.logs import log_as_json  # noqa: PLC0415
    from bot.server import Server  # noqa: PLC0415

    log_as_json(settings.bot_log_level)
    config = Config(
        app(settings),
        host=settings.bot_host,
        port=settings.api_port,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,
    )
    server = Server(config)
    server.run()
    return 0 if server.started else 3


if __name__ == "__main__":
    raise SystemExit(main())
