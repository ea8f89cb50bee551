"""The replies that are not looked up: they are written here, in both languages, and nowhere else."""

from app.domain.conversations import Need

_CLARIFY = {"en": "Which of these do you mean?", "zh": "请问您指的是下面哪一种？"}
# Under ANSWER: what is said when an answer was wanted and none was found.
_HANDOFF = {
    "en": {
        Need.ANSWER: "I'm sorry, I could not find an answer to that in our information, and I would rather not "
        "guess. Would you like a person to help you?",
        Need.PERSON: "Of course. Leave your contact details below and a person from our team will get back to you.",
        Need.ACCOUNT: "I cannot see your account, so I cannot tell. Leave your contact details below and a person "
        "who can look it up will get back to you.",
        Need.COMPLAINT: "I am sorry about this. It should be dealt with by a person: leave your contact details "
        "below and someone from our team will get back to you.",
        Need.DISTRESS: "I am sorry to hear this. You should talk to a person rather than to a machine: leave your "
        "contact details below and someone from our team will get back to you. If anyone is in danger, call the "
        "emergency services now.",
        Need.FRAUD: "This may be fraud, and a person must help you at once. Share no code or password, move no "
        "money, and end any call or remote session. Leave your contact details below.",
        Need.ADVICE: "I must not give personal recommendations. A person from our team can go through your "
        "situation with you: leave your contact details below.",
        Need.ATTACK: "I cannot do that. I can answer questions about our products and services.",
    },
    "zh": {
        Need.ANSWER: "很抱歉，我在现有资料中没有找到答案，不想随意猜测。需要为您转接人工服务吗？",
        Need.PERSON: "好的。请在下方留下您的联系方式，我们的工作人员会尽快与您联系。",
        Need.ACCOUNT: "我看不到您的账户信息，无法判断。请在下方留下您的联系方式，由可以查询的工作人员与您联系。",
        Need.COMPLAINT: "非常抱歉给您带来不好的体验。这件事应由工作人员处理，请在下方留下您的联系方式，"
        "我们会尽快联系您。",
        Need.DISTRESS: "很难过听到这些。您应当与真人交谈，而不是与机器：请在下方留下您的联系方式，"
        "我们的工作人员会尽快与您联系。如有人身危险，请立即拨打急救或报警电话。",
        Need.FRAUD: "这可能是诈骗，需要工作人员立即协助您。请不要透露任何验证码或密码，不要转账，"
        "并结束通话或远程控制。请在下方留下您的联系方式。",
        Need.ADVICE: "我不能提供个人建议。我们的工作人员可以与您一起分析您的情况，请在下方留下您的联系方式。",
        Need.ATTACK: "这个我做不到。我可以回答与我们产品和服务有关的问题。",
    },
}  # fmt: skip
UNKNOWN_REPLIES = frozenset(words[Need.ANSWER] for words in _HANDOFF.values())


def handoff_reply(need: Need, language: str) -> str:
    """What is said to a customer who needs a person, or whom no passage answers (ANSWER)."""
    return _HANDOFF[language][need]


def unknown_reply(language: str) -> str:
    """The honest fallback in the customer's language; the responder is trained to say it in the same words."""
    return handoff_reply(Need.ANSWER, language)


def clarify_reply(language: str) -> str:
    """Asks which of the options below is meant."""
    return _CLARIFY[language]
