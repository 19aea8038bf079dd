from pydantic import BaseModel, ConfigDict


class JudgeConfig(BaseModel):
    """Stand-in."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    url: str
    model: str
    api_key_env: str | None = None
    count: int = 4_000
    concurrency: int = 8
    timeout_seconds: float = 60.0
