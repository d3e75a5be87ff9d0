"""Where things lie, read once from the environment. Nothing else of the package reads it."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    data_dir: Path = Path("data")  # a folder with one folder a set
    training_state_dir: Path = Path("state")
