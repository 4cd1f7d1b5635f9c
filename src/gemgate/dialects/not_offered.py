"""What official clients can ask their services for and nobody can ask for here, each with what to use instead.

One table for all dialects: the path says what was meant, and the answer is a 404 in the dialect of the path. A 501
would say the same, but official clients ask again after every 5xx.
"""

from __future__ import annotations

import re

from gemgate.errors import LocalText, NotFound
from gemgate.frozen import frozen

_NO_SUCH_THING = LocalText("Gemini's web app has no such thing", "Gemini 网页应用没有此功能")


@frozen
class Absent:
    """paths: whole, behind `/v1/` or `/v1beta/`. what: that clients ask for there. reason: why it is not here; instead:
    what to do, a sentence. taken: whether an operation has such a path with another method.
    """

    paths: re.Pattern[str]
    what: LocalText
    instead: LocalText
    reason: LocalText = _NO_SUCH_THING
    taken: bool = False


def _below(*names: str) -> re.Pattern[str]:
    """These paths and all below them."""
    return re.compile(rf"(?:{'|'.join(names)})(?:[/:].*)?")


_OURS = LocalText("gemgate keeps none", "gemgate 不保存此类内容")
_BATCHES = (
    LocalText("batches in this form", "此形式的批次"),
    LocalText("Use /v1/batches, or /v1/batch/images for images", "请使用 /v1/batches；图片请用 /v1/batch/images"),
    LocalText("batches are taken in OpenAI's form", "批次采用 OpenAI 的形式"),
)

ABSENT: tuple[Absent, ...] = (
    Absent(
        re.compile(r"embeddings|models/.+:(?:embedContent|batchEmbedContents|asyncBatchEmbedContent|embedText)"),
        LocalText("embeddings", "向量嵌入（embeddings）"),
        LocalText("Use a model for embeddings that runs on a machine of yours", "请使用自己机器上的嵌入模型"),
        taken=True,
    ),
    Absent(
        _below("audio/(?:speech|voices|voice_consents)"),
        LocalText("speech output", "语音合成"),
        LocalText(
            "Use a voice that runs on a machine of yours; recordings become text at /v1/audio/transcriptions",
            "请使用自己机器上的语音合成；录音转文字请用 /v1/audio/transcriptions",
        ),
    ),
    Absent(
        _below("realtime", "live", "auth_tokens"),
        LocalText("realtime sessions", "实时会话"),
        LocalText(
            "Stream from /v1/chat/completions, and send recordings to /v1/audio/transcriptions",
            "请使用 /v1/chat/completions 的流式回答，录音请发往 /v1/audio/transcriptions",
        ),
    ),
    Absent(
        _below("moderations", "safety", "content_provenance_checks", "decisions"),
        LocalText("moderation", "内容审核"),
        LocalText(
            "Have a text judged by a prompt at /v1/chat/completions", "请在 /v1/chat/completions 中用提示词判断文本"
        ),
    ),
    Absent(
        _below("fine_tuning", "tunedModels", "tuningJobs", "evals"),
        LocalText("tuning and evaluation of models", "模型微调与评测"),
        LocalText("Put examples into the system prompt, or into a gem", "请把示例写入系统提示词，或制作 Gem"),
    ),
    Absent(
        _below("assistants", "threads", "chatkit", "conversations"),
        LocalText("assistants, threads and conversations", "assistants、threads 与 conversations"),
        LocalText(
            "Use /v1/responses with previous_response_id, or send the history to /v1/chat/completions",
            "请使用 /v1/responses 与 previous_response_id，或将历史发送到 /v1/chat/completions",
        ),
    ),
    Absent(
        _below(
            "agents",
            "deployments",
            "deployment_runs",
            "dreams",
            "environments",
            "memory_stores",
            "sessions",
            "skills",
            "containers",
            "tunnels",
            "vaults",
            "user_profiles",
        ),
        LocalText("hosted agents, skills and containers", "托管的智能体、技能与容器"),
        LocalText(
            "Run the agent on a machine of yours, with tools at /v1/responses, /v1/messages or /v1/chat/completions",
            "请在自己的机器上运行智能体，并通过 /v1/responses、/v1/messages 或 /v1/chat/completions 使用工具",
        ),
    ),
    Absent(
        _below("vector_stores", "fileSearchStores", "corpora", r"fileSearchStores/.+:\w+"),
        LocalText("vector stores and file search", "向量库与文件检索"),
        LocalText("Send the files themselves with the message (/v1/files)", "请把文件随消息发送（/v1/files）"),
    ),
    Absent(
        _below("cachedContents"),
        LocalText("cached contents", "内容缓存"),
        LocalText("Send the contents themselves", "请直接发送内容"),
    ),
    Absent(
        re.compile(r"uploads(?:/.*)?|files:register"),
        LocalText("uploads in parts", "分段上传"),
        LocalText("Send the file whole to /v1/files", "请将完整文件发送到 /v1/files"),
        _OURS,
    ),
    Absent(
        re.compile(r"images/variations"),
        LocalText("variations of an image", "图片变体"),
        LocalText("Use /v1/images/edits with a prompt", "请使用 /v1/images/edits 并给出提示词"),
    ),
    Absent(
        re.compile(r"videos/(?:characters(?:/.*)?|edits|extensions)"),
        LocalText("characters, edits and extensions of videos", "视频的角色、编辑与延长"),
        LocalText(
            "Use /v1/videos, and /v1/videos/ID/remix for a change", "请使用 /v1/videos；修改请用 /v1/videos/ID/remix"
        ),
        taken=True,
    ),
    Absent(
        re.compile(r"(?:messages/batches|batchPredictionJobs)(?:/.*)?|models/.+:batchGenerateContent"),
        *_BATCHES,
        taken=True,
    ),
    Absent(re.compile(r"batches(?:/.*)?"), *_BATCHES),
    Absent(
        re.compile(r"complete|completions"),
        LocalText("completions of a bare prompt", "旧式文本补全"),
        LocalText("Use /v1/chat/completions or /v1/messages", "请使用 /v1/chat/completions 或 /v1/messages"),
        LocalText("Gemini's web app chats", "Gemini 网页应用只支持对话"),
    ),
    Absent(
        re.compile(r"chat/completions(?:/.*)?"),
        LocalText("stored chat completions", "已存储的对话补全"),
        LocalText("Use /v1/responses, which are stored", "请使用会被存储的 /v1/responses"),
        _OURS,
        taken=True,
    ),
    Absent(
        re.compile(r"responses/[^/]+/input_items"),
        LocalText("the input items of a response", "回答的输入条目"),
        LocalText(
            "Keep what you send; previous_response_id goes on with it", "请自行保留，用 previous_response_id 接续"
        ),
        LocalText("they are kept for what follows only", "它们仅用于后续对话"),
    ),
    Absent(
        re.compile(r"responses/compact"),
        LocalText("/v1/responses/compact", "/v1/responses/compact"),
        LocalText("Compact by a prompt, or send it all", "请用提示词压缩，或直接发送完整历史"),
        LocalText("OpenAI's own service seals its items", "其结果由 OpenAI 自有服务加密"),
        taken=True,
    ),
    Absent(
        _below("organizations?", "projects", "webhook_endpoints", "webhook_event_types"),
        LocalText("administration in the service's form", "官方形式的管理接口"),
        LocalText("Use the page, or /api/keys and /api/usage", "请使用网页，或 /api/keys 与 /api/usage"),
        LocalText("gemgate has its own", "gemgate 有自己的管理接口"),
    ),
    Absent(
        re.compile(r"models/[^:]+"),
        LocalText("changing or deleting of models", "模型的修改与删除"),
        LocalText("GET /v1/models lists them", "GET /v1/models 可列出模型"),
        LocalText("they are Google's", "模型属于 Google"),
        taken=True,
    ),
)
"""The first that a path fits says what is answered where no operation takes it."""

_TREE = re.compile(r"(?:/gemini)?/v1(?:beta)?/(.+)")


def not_offered(path: str, *, taken: bool = False) -> NotFound | None:
    """The refusal of what the official services have at this path; None for one that is none of theirs.

    taken: an operation has the path, with another method than the one that was used.
    """
    found = _TREE.fullmatch(path)
    rows = (row for row in ABSENT if found and row.paths.fullmatch(found[1]) and (row.taken or not taken))
    if (row := next(rows, None)) is None:
        return None
    return NotFound(
        f"gemgate does not offer {row.what.en}: {row.reason.en}. {row.instead.en}",
        f"gemgate 不提供{row.what.zh}：{row.reason.zh}。{row.instead.zh}",
        code="not_offered",
    )
