"""Every sentence of the customer's chat page, in English and Chinese side by side."""

from app.domain.errors import (
    AppError,
    Busy,
    InvalidInput,
    ModelError,
    NotFound,
    StorageUnavailable,
    TooManyRequests,
)

LANGUAGES = ("en", "zh")
_COLUMN = {language: column for column, language in enumerate(LANGUAGES)}

_TEXTS: dict[str, tuple[str, str]] = {
    # The head of the page
    "subtitle": ("Customer service", "客户服务"),
    "disclosure": (
        "You are talking to an automated assistant. It can be wrong, and the conversation is stored. "
        "Please do not enter passwords, PINs or card numbers.",
        "您正在与自动助手对话。它可能会出错，对话内容会被保存。请勿输入密码、PIN 码或银行卡号。",
    ),
    "language": ("Language", "语言"),
    "talk_to_person": ("Talk to a person", "联系人工客服"),
    "clear": ("Clear conversation", "清空对话"),
    # The conversation
    "conversation": ("Conversation", "对话"),
    "greeting": ("How can we help you?", "请问有什么可以帮您？"),
    "invitation": (
        "Ask in your own words, or begin with one of these:",
        "请直接用您的话提问，或从下面的问题开始：",
    ),
    "you_asked": ("You asked:", "您问："),
    "assistant": ("Assistant:", "助手："),
    "searching": ("Looking for the answer…", "正在查找答案…"),
    "in_line": (
        "Others asked before you. You are number {position} in line…",
        "前面还有其他客户在咨询，您排在第 {position} 位…",
    ),
    "colleague": ("Our colleague replied:", "人工客服回复："),
    "sources_person": ("Based on:", "依据："),
    "sources_template": ("This is an approved answer. Its source:", "这是经审核的标准答案，来源："),
    "sources_generated": (
        "Written by the assistant, based on:",
        "由助手根据以下资料整理：",
    ),
    "sources_handoff": ("The closest we found:", "最接近的内容："),
    "source_mark": ("Open source {number}: {title}", "查看来源 {number}：{title}"),
    "source_file": ("From {source}", "出自 {source}"),
    "stopped": ("You stopped this answer.", "您已停止这条回答。"),
    "unanswered": ("This question has not been answered.", "这个问题还没有得到回答。"),
    "retry": ("Try again", "重试"),
    "helpful_question": ("Was this helpful?", "这条回答有帮助吗？"),
    "helpful": ("Helpful", "有帮助"),
    "not_helpful": ("Not helpful", "没有帮助"),
    # Why an answer did not help
    "why_title": ("What was wrong with it?", "这条回答有什么问题？"),
    "why_intro": (
        "Thank you, your opinion is kept. If you like, tell us why; this helps us to answer better.",
        "谢谢，您的评价已记录。如果愿意，请告诉我们原因，帮助我们改进。",
    ),
    "why_reason": ("Reason", "原因"),
    "why_wrong": ("It is wrong or out of date", "内容有误或已过时"),
    "why_off_topic": ("It does not answer my question", "没有回答我的问题"),
    "why_unclear": ("It is hard to understand", "难以理解"),
    "why_other": ("Something else", "其他"),
    "why_comment": ("Comment (optional)", "补充说明（可不填）"),
    "why_send": ("Send", "提交"),
    "why_skip": ("No, thank you", "不用了"),
    "why_missing": ("Please choose a reason or write a comment.", "请选择原因或填写说明。"),
    "why_confirmed": ("Thank you. This helps us to answer better.", "谢谢，这有助于我们改进。"),
    "reply_gone": (
        "This answer is no longer part of the conversation. Reload the page.",
        "这条回答已不在当前对话中。请刷新页面。",
    ),
    "unexpected_error": (
        "Something went wrong on our side and this question was not answered. Try again, or talk to a person.",
        "系统出现问题，未能回答这个问题。请重试，或联系人工客服。",
    ),
    # The line to write in
    "question": ("Your question", "您的问题"),
    "question_hint": ("Write your question…", "请输入您的问题…"),
    "send": ("Send", "发送"),
    "stop": ("Stop", "停止"),
    "too_long": (
        "Your question has {length} characters; at most {limit} can be sent. Please shorten it.",
        "您的问题共 {length} 个字符，最多可发送 {limit} 个。请缩短后再发送。",
    ),
    # The form for a person
    "person_title": ("Talk to a person", "联系人工客服"),
    "person_intro": (
        "Tell us how to reach you. A colleague reads this conversation first, so you need not repeat yourself.",
        "请告诉我们如何联系您。同事会先阅读这段对话，您无需重复说明。",
    ),
    "contact": ("E-mail or phone number", "电子邮箱或电话号码"),
    "note": ("Anything to add? (optional)", "补充说明（可不填）"),
    "person_send": ("Send request", "提交"),
    "cancel": ("Cancel", "取消"),
    "contact_missing": (
        "Please enter an e-mail address or a phone number, so that we can reach you.",
        "请填写电子邮箱或电话号码，以便我们联系您。",
    ),
    "person_confirmed": (
        "Thank you. Your request is with our colleagues, who will reach you at {contact}.",
        "谢谢。您的请求已转给我们的同事，他们会通过 {contact} 与您联系。",
    ),
    # Taking it away
    "export": ("Save conversation", "保存对话"),
    "export_ready": ("Save this conversation:", "保存这段对话："),
    "export_text": ("As text", "文本格式"),
    "export_data": ("As JSON", "JSON 格式"),
    "export_empty": ("There is nothing to save yet.", "目前还没有可保存的内容。"),
    "export_customer": ("You", "您"),
    "export_assistant": ("Assistant", "助手"),
    "export_agent": ("Our colleague", "人工客服"),
    # Clearing
    "clear_question": (
        "Delete this conversation? It is removed from this page and from our records.",
        "要删除这段对话吗？它将从本页面和我们的记录中移除。",
    ),
    "clear_confirm": ("Delete conversation", "删除对话"),
    "clear_keep": ("Keep it", "保留"),
    "cleared": ("The conversation has been deleted.", "对话已删除。"),
}

# English visitors read the error itself, which says more.
_ERRORS_ZH: dict[type[AppError], str] = {
    TooManyRequests: "您的提问过于频繁，请等待 {seconds} 秒后再试。",
    Busy: "目前咨询的人很多，排队人数已满。请约 {seconds} 秒后再试。",
    InvalidInput: "无法处理您输入的内容。请修改后再试。",
    NotFound: "这段对话或其中的内容已不存在。请重新提问，或刷新页面。",
    ModelError: "助手暂时无法回答。请稍后再试，或联系人工客服。",
    StorageUnavailable: "暂时无法保存或读取数据。请稍后再试。",
    AppError: "未能完成此操作。请稍后再试，或联系人工客服。",
}
REASONS = ("wrong", "off_topic", "unclear", "other")  # why a reply did not help, as they are stored


def error_text(error: AppError, language: str) -> str:
    """What an error says to a visitor: its own sentence in English, that of its nearest known class in Chinese."""
    if language != "zh":
        return str(error)
    sentence = next(_ERRORS_ZH[kind] for kind in type(error).__mro__ if kind in _ERRORS_ZH)
    return sentence.format(seconds=getattr(error, "retry_after", 0))


def text(key: str, language: str, **values: object) -> str:
    """The text under `key` in `language` (`en` or `zh`), with its `{places}` filled in."""
    sentence = _TEXTS[key][_COLUMN[language]]
    return sentence.format(**values) if values else sentence


def preferred_language(accept_language: str) -> str:
    """The page language that an Accept-Language header (RFC 9110, 12.5.4) ranks first; English if neither."""
    best, best_weight = LANGUAGES[0], 0.0
    for part in accept_language.lower().split(","):
        tag, _, parameter = part.strip().partition(";")
        primary = tag.strip().split("-")[0]
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if primary in LANGUAGES and weight > best_weight:
            best, best_weight = primary, weight
    return best
