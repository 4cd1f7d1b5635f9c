"""Modules that are imported when they are first used: what a plain node does not need costs it neither time nor memory.

Names of such a module may stand in annotations and in functions; what runs while the importing module is loaded must
not touch them, and a coroutine awaits `load` first where an import takes long. `tests/unit/test_start.py` lists what a
plain start must not import, and holds that its first use does so beside the event loop.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

from gemgate import allocator, collector

_loaded: set[str] = set()
"""By `load`, to the end: `sys.modules` has a module from the beginning of its import on."""


class _Later(ModuleType):
    """Stands for a module; each name is looked up once and then kept."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # `import` and inspection ask for these; they are no use of the module
            raise AttributeError(name)
        found = getattr(import_module(self.__name__), name)
        setattr(self, name, found)
        return found


def later(name: str) -> Any:
    """The module of this name, not imported yet."""
    return _Later(name)


class _Emptied(ModuleType):
    """A package that has not run yet; it runs when it is asked for a name that is none of its modules'."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or find_spec(f"{self.__name__}.{name}"):
            raise AttributeError(name)
        self.__class__ = ModuleType  # type: ignore[assignment]
        self.__spec__.loader.exec_module(self)  # type: ignore[union-attr]
        return getattr(self, name)


def emptied(package: str) -> None:
    """Let modules of a package be imported without all that the package itself imports. Who asks it for a name gets
    that all the same, with everything.
    """
    if package not in sys.modules and (spec := find_spec(package)) is not None:
        module = module_from_spec(spec)
        module.__class__ = _Emptied
        sys.modules[package] = module
        above, _, name = package.rpartition(".")
        if above:
            setattr(sys.modules[above], name, module)  # as an import does


def loaded(*modules: ModuleType) -> bool:
    """Whether `load` has nothing to do for them."""
    return all(module.__name__ in _loaded for module in modules)


async def load(*modules: ModuleType) -> None:
    """Import them now, in a thread: imports of some 100 ms would hold up the event loop."""
    if not loaded(*modules):

        def run() -> None:
            for module in modules:
                import_module(module.__name__)
            allocator.give_back()  # reading code takes some MB for a moment, of each thread that does so
            allocator.give_code_back()

        await asyncio.to_thread(run)
        _loaded.update(module.__name__ for module in modules)
        collector.keep()


@contextmanager
def deferred(*names: str) -> Iterator[None]:
    """Who says `import NAME` meanwhile gets what stands for that module; for libraries that use one only now and then.

    A package and its modules are named each. One that is imported already is what it is.
    """
    stand_ins = {name: later(name) for name in names if name not in sys.modules}
    sys.modules.update(stand_ins)
    for name, module in stand_ins.items():
        above, _, last = name.rpartition(".")
        if above:
            setattr(sys.modules[above], last, module)  # as an import does
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


@contextmanager
def absent(name: str) -> Iterator[None]:
    """What is imported meanwhile finds no such package: for libraries that load one only because it is installed."""
    missing = object()
    modules: dict[str, Any] = sys.modules
    held = modules.get(name, missing)
    modules[name] = None  # how the import system is told so
    try:
        yield
    finally:
        del modules[name]
        if held is not missing:
            modules[name] = held
