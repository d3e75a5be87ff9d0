"""`python -m bot`: answers until SIGINT or SIGTERM."""

import sys

from pydantic import ValidationError

from bot.settings import Settings


def main() -> int:
    """Returns the exit code, 2 for settings that cannot be used."""
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            where = ".".join(str(part) for part in fault["loc"]).upper()
            sys.stderr.write(f"setting {where}: {fault['msg'].removeprefix('Value error, ')}\n")
        return 2
    # Imported here: a wrong setting is told without waiting for two seconds of libraries.
    import uvicorn  # noqa: PLC0415

    from bot.app import app  # noqa: PLC0415
    from bot.logs import log_as_json  # noqa: PLC0415

    log_as_json(settings.bot_log_level)
    uvicorn.run(
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
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
