"""The HTTP server, without its command line, processes and reloading."""

import uvicorn
from uvicorn.config import Config
from uvicorn.server import Server

vars(uvicorn).update(Config=Config)  # which its lifespan asks the emptied package for

IDLE_SECONDS = 75
"""How long a connection may wait for its next request: longer than the fleet's gateway, proxies in front (60 s) and
clients keep one, or it would end just as they use it again."""

__all__ = ["IDLE_SECONDS", "Config", "Server"]
