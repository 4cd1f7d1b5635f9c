"""What is too old goes step by step: a store that is away keeps only what stands in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from gemgate.assembly.loops import retained
from gemgate.assembly.service import Service
from gemgate.errors import StorageDown
from gemgate.telemetry import Observers
from gemgate.testing import FakeClock


class Steps:
    """Stands for every store of a service, and writes down who was asked to forget."""

    def __init__(self, *, away: str) -> None:
        self.asked: list[str] = []
        self._away = away

    def __getattr__(self, name: str) -> Any:
        async def asked(*_: object) -> list[str]:
            self.asked.append(name)
            if name == self._away:
                raise StorageDown("away", "无法访问")
            return []

        return asked


def service(steps: Steps, **more: Any) -> Service:
    settings = SimpleNamespace(retention_days=30, usage_days=400, audit_days=400)
    kept = SimpleNamespace(store=steps)
    there = {"responses": steps, "jobs": steps, "usage": kept, "account_registry": kept, "windows": steps}
    beside = {
        "files": steps,
        "gallery": steps,
        "media_share": steps,
        "gateway": SimpleNamespace(conversations=kept),
        "observer": Observers([]),
    }
    found = SimpleNamespace(settings=settings, clock=FakeClock(), blobs=more["blobs"], **there, **beside)
    return cast("Service", found)


class Bucket:
    """Without anything in it; broken: its list cannot be read."""

    def __init__(self, *, broken: bool = False) -> None:
        self._broken = broken

    async def list(self, prefix: str) -> Any:
        if self._broken:
            raise StorageDown("a name that is none", "名称无效")
        for nothing in ():
            yield nothing


async def test_all_that_is_too_old_goes() -> None:
    steps = Steps(away="")
    assert await retained(service(steps, blobs=Bucket()))
    assert {"forget_before", "forget_beyond", "forget_audit", "sweep", "older_than", "unmeasured"} <= set(steps.asked)


async def test_a_bucket_whose_list_cannot_be_read_keeps_nothing_else() -> None:
    steps = Steps(away="")
    assert not await retained(service(steps, blobs=Bucket(broken=True)))
    assert {"forget_before", "forget_audit", "sweep", "older_than"} <= set(steps.asked)


async def test_files_that_cannot_be_swept_keep_nothing_else() -> None:
    steps = Steps(away="sweep")
    assert not await retained(service(steps, blobs=Bucket()))
    assert {"forget_before", "forget_audit", "older_than"} <= set(steps.asked)
