"""What a terminal calls the states, kinds and marks of the API, and lengths of time, in its language."""

from __future__ import annotations

import math

from gemgate.accounts import CAPABILITY_WORDS, STATE_WORDS
from gemgate.cli.terminal import language, say

CHINESE = {
    **{name: text.zh for words in (STATE_WORDS, CAPABILITY_WORDS) for name, text in words.items()},
    # jobs
    "queued": "排队中", "processing": "处理中", "paused": "已暂停", "completed": "已完成", "failed": "失败",
    "cancelled": "已取消", "expired": "已过期", "finalizing": "收尾中", "cancelling": "取消中", "in_progress": "进行中",
    "images": "图片批次", "chat": "chat 批次", "responses": "responses 批次", "generations": "生图批次",
    "edits": "改图批次", "image_call": "图片调用", "response": "后台 response", "interaction": "后台 interaction",
    "answer": "带幂等键的调用",
    # columns of usage
    "day": "日期", "hour": "小时", "key": "密钥", "account": "账号", "model": "模型", "served": "实际模型",
    "dialect": "协议", "kind": "类型", "outcome": "结果",
    # nodes
    "INIT": "启动中", "HEALTHY": "正常", "BUSY": "繁忙", "429_LIMIT": "达到限额", "ERROR": "异常", "OFFLINE": "离线",
    "dead": "失联",
    # the canary's verdicts
    "confirmed": "符合", "changed": "已变化", "new": "新出现", "unseen": "未观察到",
    # the visible logo
    "removed": "已去除", "absent": "无标志", "kept": "保持原样", "found": "有标志", "unknown": "无法判断",
    # where a picture's bytes came from
    "full_size": "原始尺寸", "preview": "预览图", "stored": "已存储",
    # what was done with an account
    "set up": "添加", "cookies": "提供 Cookie", "resumed": "恢复", "reset": "结束冷却", "measured": "测量长度",
    "browser paired": "配对浏览器", "pairing code": "配对码", "gem made": "新建 gem", "gem changed": "修改 gem",
    "gem copied": "复制 gem", "gem deleted": "删除 gem", "history delete": "删除对话", "history export": "导出对话",
    "refreshed": "重新登录", "by hand": "手动提供", "all": "全部",
    "alert": "已告警", "alert over": "告警解除", "no alert": "未告警，没有渠道",
    "no alert over": "已恢复，没有渠道",
    # how a session that was watched ended
    "died": "已失效", "censored": "仍有效", "not_started": "未开始",
}  # fmt: skip
"""By the word that the API has."""


def word(of_the_api: str) -> str:
    """The word for people; one that is not known stays as it is."""
    return CHINESE.get(of_the_api, of_the_api) if language() == "zh" else of_the_api


_UNITS = ((86_400.0, "d", "天"), (3600.0, "h", "小时"), (60.0, "min", "分钟"))


def span(seconds: float | None, *, whole: bool = False) -> str:
    """A length of time in the unit that people would use; - for one that is not known. whole: rounded up."""
    if seconds is None:
        return "-"
    for size, en, zh in _UNITS:
        if seconds >= 2 * size:
            number = str(math.ceil(seconds / size)) if whole else f"{seconds / size:.1f}"
            return say(f"{number} {en}", f"{number} {zh}")
    number = str(math.ceil(seconds)) if whole else f"{seconds:.0f}"
    return say(f"{number} s", f"{number} 秒")
