"""gemgate: your own Gemini web account, served as OpenAI, Gemini, Anthropic and simple REST APIs."""

from gemgate.version import __version__

__all__ = ["__version__"]
