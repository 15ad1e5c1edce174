"""How a release is handed on."""

from __future__ import annotations

from ocr_pipeline.options import Options, option

__all__ = ["PublishOptions"]


class PublishOptions(Options):
    """How a release is handed on."""

    private: bool = option(True, "What a repository that is made for it is: private, or open to everybody")
    redistributable: tuple[str, ...] | None = option(
        None, "Data set whose statements may be handed on, again for each; none: those whose licences allow it"
    )
    token_env: str = option("HF_TOKEN", "Environment variable that holds the token, which is never stored")
    endpoint: str | None = option(
        None, "Address of another hub; none: that of the Hugging Face client", environment="HF_ENDPOINT"
    )
