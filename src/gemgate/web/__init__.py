"""The HTTP door: speaks every dialect, decides nothing."""

from gemgate.lazy_import import deferred, emptied

emptied("uvicorn")  # of which we need the server; it imports its command line, and a library for that
with deferred("anyio", "anyio.abc", "anyio.to_thread", "logging.config"):  # for streams, see `streaming`; for nothing
    import starlette.requests
    import starlette.responses  # noqa: F401 - imported to find what stands for them
    import uvicorn.config  # noqa: F401
