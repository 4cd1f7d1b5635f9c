"""Google's official Gemini API with an API key: optional, off unless accounts.toml names it."""

from gemgate.upstreams.official.key import KeyPlace
from gemgate.upstreams.official.upstream import BASE_URL, OfficialUpstream

__all__ = ["BASE_URL", "KeyPlace", "OfficialUpstream"]
