"""A cookie account of the Gemini web app, through the library `gemini_webapi`: the only room that imports it."""

from gemgate.upstreams.web.upstream import WebUpstream

__all__ = ["WebUpstream"]
