"""The Model Context Protocol: what an agent can have from this gateway as tools, over HTTP (`/mcp`) and standard input
(`gemgate mcp`). The official library speaks the protocol; the tools are calls of our own API, so keys, scopes, limits,
logs and the fleet's choice of a node are those of every call (docs/mcp.md).
"""
