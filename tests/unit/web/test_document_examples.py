"""The OpenAPI document has a body that works for what a caller sends, from the examples that the documentation has."""

from __future__ import annotations

import json

from gemgate.dialects.rows import JSON
from gemgate.web.document import openapi_document
from gemgate.web.routes import node_routers

WITHOUT = {"session.begin", "accounts.act"}
"""What the page itself does; the documentation shows no call of the one and one without a body of the other."""


def test_every_body_has_an_example_that_its_model_takes() -> None:
    document, seen = openapi_document(), 0
    for entry in (entry for router in node_routers() for entry in router.routes):
        if not entry.is_shown or entry.spec.body is None or entry.spec.name in WITHOUT:
            continue
        path = entry.spec.path.replace(":path}", "}")
        content = document["paths"][path][entry.spec.method.lower()]["requestBody"]["content"]
        (told,) = content.values()
        entry.spec.body.model_validate(told["example"])
        unfilled = [
            text for text in json.dumps(told["example"]).split('"') if text.startswith("{") and text.endswith("}")
        ]
        assert JSON not in content or not any(name.strip("{}").isidentifier() for name in unfilled), path
        seen += 1
    assert seen > 40
