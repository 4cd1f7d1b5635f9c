"""Real servers for the contract suites."""

from tests.support.servers import database_url, own_redis, postgres_server, postgres_url, redis_server

__all__ = ["database_url", "own_redis", "postgres_server", "postgres_url", "redis_server"]
