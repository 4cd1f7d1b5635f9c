"""What is measured of pictures, beside them in every dialect, and calls for them that are tasks."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from gemgate.dialects.image_tasks import TaskState
from gemgate.dialects.shapes import Waiting
from gemgate.images import Logo


class PictureFacts(TypedDict):
    """requested: pixels wanted on the long side; delivered: what it has. source: how the original came."""

    width: int
    height: int
    bytes: int
    mime: str
    sha256: str
    source: str
    logo: Logo
    model: str
    requested: int | None
    delivered: int
    resampled: bool
    painter: NotRequired[str]
    note: NotRequired[str]


class PictureTask(Waiting):
    """result: the answer that the call would have had, error: why there is none, both in the dialect of the call.

    needs_person: nothing goes on before an account is signed in, or one that was paused is resumed.
    """

    id: str
    object: Literal["image.task"]
    status: TaskState
    created_at: int
    poll: str
    total: int
    completed: int
    failed: int
    completed_at: NotRequired[int]
    result: NotRequired[dict[str, Any]]
    error: NotRequired[dict[str, Any]]
