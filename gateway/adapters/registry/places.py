"""Where a registry is. Each place knows the environment that its tool reads before it is imported."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from gateway.adapters.objects import S3


@dataclass(frozen=True, slots=True)
class MlflowPlace:
    # sqlite:///PATH, another database or a server's http address, which may hold a password.
    tracking_uri: str = field(repr=False)
    artifacts: str = ""  # a folder or s3://bucket/prefix; a server decides by itself
    s3: S3 = field(default_factory=S3)

    @property
    def served(self) -> bool:
        """By an MLflow server, rather than from a database here."""
        return self.tracking_uri.startswith(("http://", "https://"))

    @property
    def artifact_location(self) -> str | None:
        """Of a new experiment."""
        if self.served or not self.artifacts:
            return None
        if "://" in self.artifacts:
            return self.artifacts
        return Path(self.artifacts).resolve().as_uri()

    def environment(self, folder: Path) -> dict[str, str]:  # noqa: ARG002 - the other place needs it
        told = self.s3.environment() | {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the worker tries again by itself, and says so meanwhile
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        }
        if self.s3.endpoint_url:
            told["MLFLOW_S3_ENDPOINT_URL"] = self.s3.endpoint_url
        return told


@dataclass(frozen=True, slots=True)
class ClearmlPlace:
    api_host: str
    web_host: str = ""  # of people's links
    files_host: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    output_uri: str = ""  # for weights and plots: s3://bucket/prefix or a folder; empty: its file server
    s3: S3 = field(default_factory=S3)

    def __post_init__(self) -> None:
        if not self.api_host or not (self.output_uri or self.files_host):
            raise ValueError("ClearML needs CLEARML_API_HOST, and CLEARML_OUTPUT_URI or CLEARML_FILES_HOST")

    @property
    def upload_uri(self) -> str:
        """As the SDK writes it: what is not Amazon's has host and port in the address."""
        if not self.output_uri:
            return self.files_host
        if self.output_uri.startswith("s3://") and self.s3.endpoint_url:
            return f"s3://{self._s3_host}/{self.output_uri.removeprefix('s3://')}"
        if "://" in self.output_uri:
            return self.output_uri
        return Path(self.output_uri).resolve().as_uri()

    @property
    def _s3_host(self) -> str:
        address = urlsplit(self.s3.endpoint_url)
        return f"{address.hostname}:{address.port or (443 if address.scheme == 'https' else 80)}"

    def environment(self, folder: Path) -> dict[str, str]:
        """`folder`: this process's own, for the SDK's configuration and cache. It is its home too: the SDK
        writes into ~/.clearml whatever it is told."""
        home = Path.home()
        told = {
            "HOME": str(folder),
            "AWS_CONFIG_FILE": str(home / ".aws" / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / ".aws" / "credentials"),
            "CLEARML_CONFIG_FILE": str(folder / "clearml.conf"),
            "CLEARML_CACHE_DIR": str(folder / "cache"),
            "CLEARML_API_HOST": self.api_host,
            "CLEARML_WEB_HOST": self.web_host or self.api_host,  # without one the SDK makes no Task
            "CLEARML_FILES_HOST": self.files_host,
            "CLEARML_API_ACCESS_KEY": self.access_key,
            "CLEARML_API_SECRET_KEY": self.secret_key,
            "CLEARML_NO_DEFAULT_SERVER": "1",
            "CLEARML_TASK_NO_REUSE": "1",
            "CLEARML_SUPPRESS_UPDATE_MESSAGE": "1",
            "CLEARML_DISABLE_VAULT_SUPPORT": "1",
            "CLEARML_BLOCK_PICKLED_ARTIFACTS": "1",
            "DO_NOT_TRACK": "true",
        }
        return self.s3.environment() | told

    def configuration(self) -> dict[str, object]:
        """What the SDK reads from a file only; no secret among it. By default it tries for hours."""
        retries = {"total": 3, "connect": 3, "read": 3, "redirect": 3, "status": 3}
        s3 = {
            "region": self.s3.region,
            "use_credentials_chain": True,
            "secure": not self.s3.endpoint_url.startswith("http://"),
        }
        return {
            "api": {
                "http": {
                    "retries": retries | {"backoff_factor": 0.5, "backoff_max": 5.0},
                    "wait_on_maintenance_forever": False,
                }
            },
            "sdk": {
                "aws": {"s3": s3},
                "network": {"iteration": {"max_retries_on_server_error": 1, "retry_backoff_factor_sec": 1}},
                "development": {
                    "store_uncommitted_code_diff": False,
                    # Else it forks a reporter, which outlives this process when that is killed, and closing a
                    # Task takes 10 s instead of 0.2 s.
                    "report_use_subprocess": False,
                    "support_stopping": False,  # else a Task stopped in the UI would end this process
                    "artifacts": {"auto_pickle": False},
                },
            },
        }


Place = MlflowPlace | ClearmlPlace
