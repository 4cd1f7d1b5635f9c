"""Orders for images as JSON can carry them, for the control API. Functions cannot travel."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from gemgate.imaging.logo_profiles import Profile, profiles_from_json, profiles_to_json
from gemgate_simulator.paint import Painting
from gemgate_simulator.script import ImageSource


def brush_to_json(brush: ImageSource) -> dict[str, Any]:
    """{"bytes": base64} or {"painting": {...}}; TypeError for a function."""
    if isinstance(brush, bytes):
        return {"bytes": base64.b64encode(brush).decode()}
    if isinstance(brush, Painting):
        values = {field.name: getattr(brush, field.name) for field in fields(brush)}
        return {"painting": wishes_to_json({name: value for name, value in values.items() if value is not None})}
    raise TypeError("a function cannot travel to another process: give a Painting or bytes")


def brush_from_json(row: Mapping[str, Any]) -> ImageSource:
    """What `brush_to_json` wrote; ValueError for anything else."""
    match row:
        case {"bytes": str(data), **more} if not more:
            return base64.b64decode(data)
        case {"painting": dict(values), **more} if not more:
            return Painting(**wishes_from_json(values))
        case _:
            raise ValueError('a picture is {"bytes": base64} or {"painting": {...}}')


def wishes_to_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of Painting or Wishes: a packet as base64, a profile as its figures."""
    out = dict(values)
    if isinstance(out.get("xmp"), bytes):
        out["xmp"] = base64.b64encode(out["xmp"]).decode()
    if isinstance(out.get("logo"), Profile):
        out["logo"] = json.loads(profiles_to_json([out["logo"]]))["profiles"][0]
    return out


def wishes_from_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """What `wishes_to_json` wrote."""
    out = dict(values)
    if isinstance(out.get("xmp"), str):
        out["xmp"] = base64.b64decode(out["xmp"])
    if isinstance(out.get("logo"), dict):
        (out["logo"],) = profiles_from_json(json.dumps({"profiles": [out["logo"]]}))
    if isinstance(out.get("size"), list):
        out["size"] = tuple(out["size"])
    return out
