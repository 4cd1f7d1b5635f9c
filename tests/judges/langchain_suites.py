"""LangChain's standard chat-model suites against a gateway at GEMGATE_URL; run by tests/integration/sdk/.

Runs in the environment of requirements/clients-genai2.txt and knows nothing of gemgate but its address.
"""

from __future__ import annotations

import base64
import os
from typing import Any

import httpx
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.integration_tests import chat_models as suite

URL = os.environ["GEMGATE_URL"]
MODEL = "gemini-3-flash-preview"
OTHER_MODEL = "gemini-3.0-pro"

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mNkaGhgwAaYGHCAwSkBAMyIARAUbW44AAAAAElFTkSuQmCC"
)
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite loads an image and a PDF from public addresses, which a test run cannot rely on."""

    def get(url: str, **_: Any) -> httpx.Response:
        if url.endswith(".pdf"):
            return httpx.Response(200, content=PDF)
        assert url.endswith((".png", ".jpg", ".jpeg")), url
        return httpx.Response(200, content=PNG)

    monkeypatch.setattr(suite.httpx, "get", get)


class _Gemgate(ChatModelIntegrationTests):
    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = False  # the suite's address is a public one; test_openai_chat.py has images by address
    supports_pdf_inputs = True
    supports_model_override = True
    model_override_value = OTHER_MODEL


class TestOpenAIChat(_Gemgate):
    supports_anthropic_inputs = True

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": MODEL, "base_url": f"{URL}/v1", "api_key": "any", "max_retries": 0, "stream_usage": True}


class TestOpenAIChatByFunctions(TestOpenAIChat):
    """The same with structured output through a forced function."""

    structured_output_kwargs = {"method": "function_calling"}  # noqa: RUF012 - the suite's own name


class TestOpenAIResponses(_Gemgate):
    supports_anthropic_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": MODEL,
            "base_url": f"{URL}/v1",
            "api_key": "any",
            "max_retries": 0,
            "use_responses_api": True,
            "stream_usage": True,
        }


class TestAnthropic(_Gemgate):
    supports_json_mode = False  # ChatAnthropic has none
    supports_anthropic_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAnthropic

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": MODEL, "base_url": URL, "api_key": "any", "max_retries": 0}


class TestGoogle(_Gemgate):
    supports_model_override = False  # the client has no such thing: it hands `model` to Google as an unknown setting
    supports_image_tool_message = True
    supports_pdf_tool_message = True

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatGoogleGenerativeAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": MODEL, "base_url": f"{URL}/gemini", "api_key": "any", "max_retries": 0}
