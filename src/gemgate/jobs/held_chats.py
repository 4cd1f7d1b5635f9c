"""Chats at Google that a job comes back to: through the account that has them alone, signed in as it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gemgate.accounts import Capability, Walls
from gemgate.errors import Broken, NoAccount
from gemgate.frozen import frozen
from gemgate.gateway.answer import within_walls
from gemgate.gateway.prompt_request import PromptContent
from gemgate.pool.account import Account
from gemgate.pool.pool import AccountPool


@frozen
class HeldChats:
    """of: what is made in them, which names the errors' codes; zh: the same in Chinese."""

    pool: AccountPool
    of: Capability
    zh: str

    @property
    def others_may(self) -> bool:
        """Whether another account could be asked for one, now or once it is signed in."""
        states = [account.status(self.of) for account in self.pool.accounts]
        return any(status.usable or status.state == "starting" for status in states)

    def account(self, name: str, identity: str) -> Account:
        """The account that has the chat. NoAccount until it is there; Broken when its name is another one's now."""
        account = self.pool.account(name)
        if account is None or not account.is_open:
            raise self.away(name)
        if account.identity != identity:
            raise Broken(
                f"The account {name} is another Google account now: the chat of the {self.of} cannot be read",
                f"账号 {name} 已换成其他 Google 账号，无法读取该{self.zh}的对话",
                generated="maybe",
                code=f"{self.of}_lost",
            )
        return account

    def turn(self, content: PromptContent, name: str | None) -> Callable[[bool, Walls], Awaitable[PromptContent]]:
        """A turn's words, for whom sends them. name: of the account whose chat it goes on in, None for a new one:
        without that chat it is nothing.
        """

        async def told(continued: bool, walls: Walls) -> PromptContent:
            if name is not None and not continued:
                raise self.away(name)
            return within_walls(content, walls)

        return told

    def away(self, name: str) -> NoAccount:
        return NoAccount(
            f"The account {name}, which has the chat of the {self.of}, is not signed in",
            f"持有该{self.zh}对话的账号 {name} 尚未登录",
            retry_after=5.0,
            code="no_account",
        )
