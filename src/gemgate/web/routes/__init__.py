"""The endpoints, one subject a file; and the list of all of them."""

from __future__ import annotations

from starlette.routing import compile_path

from gemgate.web import page
from gemgate.web.completions import completion_routes
from gemgate.web.operation import OperationSpec, Router
from gemgate.web.relay import nodes
from gemgate.web.routes import (
    accounts,
    alerts,
    batches,
    capacity,
    context,
    conversations,
    files,
    gallery,
    gemini,
    gemini_files,
    gemini_interactions,
    gemini_videos,
    gems,
    history,
    identities,
    image_tasks,
    images,
    jobs,
    kept_conversations,
    keys,
    lives,
    mcp,
    models,
    music,
    openai_batches,
    openai_responses,
    overview,
    pairings,
    requests,
    series,
    sessions,
    settings,
    status,
    usage,
    videos,
)

MODULES = (
    openai_responses,
    gemini,
    gemini_videos,
    gemini_files,
    gemini_interactions,
    models,
    image_tasks,
    images,
    music,
    videos,
    batches,
    capacity,
    openai_batches,
    jobs,
    files,
    context,
    conversations,
    kept_conversations,
    pairings,
    accounts,
    identities,
    lives,
    gems,
    history,
    alerts,
    gallery,
    keys,
    sessions,
    overview,
    settings,
    requests,
    series,
    usage,
    mcp,
    nodes,
    page,
    status,
)
"""Modules with routes of a node, behind those that the dialect table alone describes."""


def node_routers() -> list[Router]:
    """All routes of a node. Earlier ones win where paths overlap."""
    return [completion_routes(), *(module.router for module in MODULES)]


def all_operations() -> list[OperationSpec]:
    """Every operation of a node: a fleet's gateway judges callers by this table."""
    return [spec for router in node_routers() for spec in router.operations]


def methods_at(path: str) -> list[str]:
    """The methods that operations take at `path`."""
    found = {spec.method for spec in all_operations() if compile_path(spec.path)[0].match(path)}
    return sorted(found | ({"HEAD"} if "GET" in found else set()))
