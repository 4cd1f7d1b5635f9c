"""The HTTP server, without its command line, processes and reloading."""

import uvicorn
from uvicorn.config import Config
from uvicorn.server import Server

vars(uvicorn).update(Config=Config)  # which its lifespan asks the emptied package for

__all__ = ["Config", "Server"]
