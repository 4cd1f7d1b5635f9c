"""Gems of the accounts: told, made, changed, deleted, copied from one account to the others.

A gem is a model of its account (`gem:NAME`), so whatever changes here changes what the account offers. Changing one
generates nothing.
"""

from __future__ import annotations

from dataclasses import replace

from gemgate.accounts import Gem
from gemgate.caller import Caller
from gemgate.catalog import gem_offers
from gemgate.errors import BadRequest, Conflict, GatewayError, NotFound
from gemgate.frozen import frozen
from gemgate.pool.account import Account
from gemgate.pool.registry import AccountRegistry
from gemgate.ports.upstream import GemKeeper


@frozen
class Copied:
    """What became of a copy: the gem in the other account, or why there is none."""

    account: str
    gem: Gem | None = None
    error: GatewayError | None = None


async def told(account: Account) -> tuple[Gem, ...]:
    """The account's gems as Google has them now; from here on they are its models."""
    gems = await _keeper(account).gems()
    models = [model for model in account.models if not model.gem]
    account.models = (*models, *gem_offers(gems, models))
    account.changed()
    return gems


async def make(registry: AccountRegistry, name: str, gem: Gem, caller: Caller) -> Gem:
    """A new gem. Conflict where the account has one of that name: a name is a model."""
    account = registry.account(name)
    _check_name_free(gem, await told(account), name)
    made = replace(gem, id=await _keeper(account).save_gem(gem))
    await told(account)
    await registry.note(caller, "gem made", name, gem.name)
    return made


async def change(
    registry: AccountRegistry,
    name: str,
    gem_id: str,
    caller: Caller,
    *,
    title: str | None = None,
    prompt: str | None = None,
    description: str | None = None,
) -> Gem:
    """The gem with these things changed; None leaves one as it is. NotFound, Conflict."""
    account = registry.account(name)
    gems = await told(account)
    before = _found(gems, gem_id, name)
    gem = Gem(
        gem_id,
        before.name if title is None else title,
        before.prompt if prompt is None else prompt,
        before.description if description is None else description,
    )
    _check_name_free(gem, [one for one in gems if one.id != gem_id], name)
    await _keeper(account).save_gem(gem)
    await told(account)
    await registry.note(caller, "gem changed", name, gem.name)
    return gem


async def delete(registry: AccountRegistry, name: str, gem_id: str, caller: Caller) -> None:
    """NotFound for one that the account does not have."""
    account = registry.account(name)
    gem = _found(await told(account), gem_id, name)
    await _keeper(account).delete_gem(gem_id)
    await told(account)
    await registry.note(caller, "gem deleted", name, gem.name)


async def copy(
    registry: AccountRegistry, name: str, gem_id: str, others: list[Account], caller: Caller
) -> list[Copied]:
    """Bring a gem into `others`: where they have one of its name, that one is changed. One after the other."""
    gem = _found(await told(registry.account(name)), gem_id, name)
    done: list[Copied] = []
    for account in others:
        try:
            same = next((one.id for one in await told(account) if _key(one) == _key(gem)), "")
            copied = replace(gem, id=await _keeper(account).save_gem(replace(gem, id=same)))
            await told(account)
        except GatewayError as error:
            done.append(Copied(account.name, error=error))
        else:
            await registry.note(caller, "gem copied", account.name, gem.name)
            done.append(Copied(account.name, copied))
    return done


def has_gems(account: Account) -> bool:
    """Whether it is an account of the web app."""
    return isinstance(account.upstream, GemKeeper)


def _keeper(account: Account) -> GemKeeper:
    if not isinstance(account.upstream, GemKeeper):
        raise BadRequest(
            f"The account {account.name} uses the official API, which has no gems",
            f"账号 {account.name} 使用官方 API，没有 Gem",
            param="account",
        )
    return account.upstream


def _found(gems: tuple[Gem, ...], gem_id: str, name: str) -> Gem:
    for gem in gems:
        if gem.id == gem_id:
            return gem
    raise NotFound(
        f"The account {name} has no gem {gem_id[:80]}", f"账号 {name} 没有 Gem {gem_id[:80]}", code="gem_not_found"
    )


def _key(gem: Gem) -> str:
    return gem.name.strip().lower()


def _check_name_free(gem: Gem, gems: tuple[Gem, ...] | list[Gem], name: str) -> None:
    if _key(gem) in map(_key, gems):
        raise Conflict(
            f"The account {name} has a gem {gem.name!r} already",
            f"账号 {name} 已有名为 {gem.name!r} 的 Gem",
            param="name",
            code="gem_exists",
        )
