"""What answers look like, for type checkers and the OpenAPI document: no call and no start loads anything of it.

A writer that names its shape is held to it by the type checker; what real answers hold is checked by tests. Answers may
grow: whoever reads them has to expect more fields. `NotRequired` is left out where there is nothing to say, `| None` is
there and null.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

Moment = Annotated[float, Field(description="epoch seconds")]
DateTime = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Waiting(TypedDict):
    waiting_for: NotRequired[str]
    needs_person: NotRequired[Literal[True]]
