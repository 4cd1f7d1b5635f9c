"""A chat of several turns."""

from __future__ import annotations

from typing import Any

import openai


class Talk:
    """A client that keeps its history, as all chat clients do."""

    def __init__(self, url: str, key: str = "any", system: str = "Be kind.") -> None:
        once = {"connection": "close"}  # nobody closes this client
        self.client = openai.AsyncOpenAI(base_url=url + "/v1", api_key=key, max_retries=0, default_headers=once)
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
        self.reuse = ""

    async def say(self, text: str, *, stream: bool = False, **more: Any) -> str:
        self.messages.append({"role": "user", "content": text})
        options = {"model": "gemini-3-flash-preview", "messages": self.messages, **more}
        if stream:
            raw = await self.client.chat.completions.with_raw_response.create(stream=True, **options)
            answer = "".join([c.choices[0].delta.content or "" async for c in raw.parse()])
        else:
            raw = await self.client.chat.completions.with_raw_response.create(**options)
            answer = raw.parse().choices[0].message.content
        self.reuse = raw.headers["x-gemgate-conversation"]
        self.messages.append({"role": "assistant", "content": answer})
        return answer
