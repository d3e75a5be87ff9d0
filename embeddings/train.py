"""`python -m embeddings.train --config embeddings/configs/NAME.yaml [--stage prepare|train|evaluate|all]`."""

import argparse
import logging
import sys
from pathlib import Path

from pydantic import ValidationError

from embeddings.errors import Unusable
from embeddings.training import config as configs
from embeddings.training.settings import Settings

STAGES = ("prepare", "train", "evaluate")


def main(arguments: list[str] | None = None) -> int:
    """Runs the stages; returns 0, or 2 for a config, data or files that cannot be used."""
    parser = argparse.ArgumentParser(prog="embeddings.train", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--stage", choices=[*STAGES, "all"], default="all")
    parser.add_argument("--data", type=Path, help="folder of the public sets, instead of DATA_DIR")
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        config = configs.read(asked.config)
        settings = Settings(**({"data_dir": asked.data} if asked.data else {}))
        # Imported here: a wrong config is told without waiting ten seconds for torch and pandas.
        from transformers.utils import logging as transformers_logging  # noqa: PLC0415

        from embeddings.training import stages  # noqa: PLC0415

        # It would tell of every weight that a file has and the network does not use.
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        for name in STAGES if asked.stage == "all" else [asked.stage]:
            logging.info("%s: %s", config.name, name)
            {"prepare": stages.prepare, "train": stages.train, "evaluate": stages.evaluate}[name](
                config, settings
            )
    except Unusable as reason:
        sys.stderr.write(f"train: {reason}\n")
        return 2
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        sys.stderr.write(f"setting {'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
