"""The dials of an LLM behind the OpenAI API, and of one that labels answers of the log. Light: recipes import it."""

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator


class ServerConfig(BaseModel):
    """Which LLM is asked, over the OpenAI API (vLLM, llama.cpp, Ollama, a hosted one), and how fast."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)

    url: str
    """Of the server, with or without `/v1`: `http://127.0.0.1:8000`."""
    model: str = Field(min_length=1)
    """A name that the server lists."""
    api_key_env: str | None = None
    """NAME of the environment variable that holds the API key, never the key; None for a server without keys."""
    concurrency: int = Field(default=8, ge=1, le=256)
    """Requests under way at once."""
    timeout_seconds: float = Field(default=60.0, gt=0)
    """The longest wait for one answer."""

    @field_validator("url")
    @classmethod
    def _plain(cls, value: str) -> str:
        found = urlsplit(value)
        if found.scheme not in ("http", "https") or not found.hostname or found.port == 0:
            raise ValueError("url must begin with http:// or https:// and name a host, such as http://127.0.0.1:8000")
        if "@" in found.netloc or found.query or found.fragment:
            raise ValueError(
                "url must hold no user, password or query: a run keeps its recipe; name the variable of the key in "
                "api_key_env"
            )
        return value.rstrip("/").removesuffix("/v1")

    @field_validator("api_key_env")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        if value is not None and not (value.isidentifier() and value.isascii()):
            raise ValueError(
                "api_key_env must be the NAME of an environment variable, such as JUDGE_API_KEY; if this is the key "
                "itself, take it out of the recipe"
            )
        return value

    @property
    def host(self) -> str:
        """Host, and port where there is one: what records say of the server."""
        return urlsplit(self.url).netloc


class JudgeConfig(ServerConfig):
    """Which LLM labels answers of the log, and how many."""

    count: int = Field(default=8_000, ge=1)
    """Answers to label, spread evenly over days and users."""
