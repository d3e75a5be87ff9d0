"""Every setting of the training programs, read once from the environment. Nothing else reads it."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Places only: what decides a model stands in its YAML file."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    data_dir: Path = Path("data")  # a folder with one folder a set, as `make data` fills it
    training_state_dir: Path = Path("state")
    mlflow_tracking_uri: str = ""  # empty: a SQLite file and a folder under training_state_dir
    evidently_host: str = ""  # empty: no drift report is sent
    evidently_port: int = Field(8502, ge=1, le=65535)

    def training_folder(self, name: str) -> Path:
        """Where the stages of the training `name` leave their files."""
        return self.training_state_dir / "training" / name
