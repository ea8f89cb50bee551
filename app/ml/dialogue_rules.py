"""Which past answers teach something: reviewed rules, in English and Chinese.

An answer is left out when it is true for one customer only ("I have refunded it"), when it gives no answer (a
greeting, "one moment please", a question back, an honest "don't know"), or when it is too long to be copied.
"""

import re

from app.domain.guardrails import language_of, shows_language

MAX_REPLY = {"en": 1200, "zh": 500}  # characters; about what the responder may write

_COURTESY = (
    r"hiya|hi|hello|hey|good (?:morning|afternoon|evening|day)|greetings|thank you|thanks?|thx|cheers|ta|"
    r"goodbye|bye|see you|okay|ok|great|perfect|brilliant|lovely|cool|got it|i see|understood|alright|"
    r"all right|yeah|yep|yes|nope|no|sure thing|sure|you too|"
    r"have a (?:nice|good|great|lovely) (?:day|one|evening|weekend)|take care|how are you|much appreciated|"
    r"that(?:['’]s| is) (?:all|it|great|fine|perfect|helpful)|doing|today|for (?:your|the) help|"
    r"(?:is (?:anyone|anybody)|are you) (?:there|here)|are you a (?:bot|robot|human)|so much|very much|a lot|"
    r"so|very|again|there|all|team|both|then|please|sir|madam"
)
_COURTESY_ZH = (
    r"你好|您好|哈喽|嗨|喂|在吗|在么|有人吗|早上好|上午好|中午好|下午好|晚上好|早|谢谢|多谢|感谢|非常|谢了|再见|拜拜|"
    r"好的|好|行|可以|嗯|哦|噢|知道了|明白了?|了解了?|没事了?|没有了?|不用了|不客气|辛苦了|是的|是|对的|对|收到|客服|"
    r"你是(?:机器人|人工|真人)吗|[您你啊呀哈了呢吧的]|帮助|祝您?(?:生活|工作)?愉快"
)
_SMALL_TALK = re.compile(rf"(?:\W*+(?:(?:{_COURTESY})\b|{_COURTESY_ZH})){{0,40}}+\W*+", re.IGNORECASE)

# What begins or ends an agent's message and is no part of the answer. A salutation goes with its name.
_OPENING = re.compile(
    r"\A\s*(?:(?:hi|hello|hey|dear|good (?:morning|afternoon|evening))(?: there| again| all)?"
    r"(?:,? (?:(?:Mr|Mrs|Ms|Miss|Dr)\.? )?(?:\[name\]|(?-i:[A-Z])[\w'’-]{1,20})){0,3}\s*[,.!:–—-]\s*"
    r"|(?:thank you|thanks)(?: very much| so much)?(?: for [^.!?,\n]{1,60})?[.!,]\s*"
    r"|(?:尊敬的|亲爱的|亲)?(?:\[name\]|客户|用户|顾客)?(?:先生|女士|小姐|客户)?[，,]?\s*"
    r"(?:您好|你好)[，,。.!！~～]?\s*"
    r"|(?:感谢|谢谢)您?的?(?:咨询|来电|联系|等待|耐心等待)[^。！!，,\n]{0,12}[，,。.!！]\s*)",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?<=[.!?。！？~～\s])(?:(?:is there |if (?:you have|there is) )?any(?:thing else| other questions?)"
    r"[^.?!\n]{0,60}[.?!]*"
    r"|(?:i )?hope (?:this|that) helps[^.?!\n]{0,20}[.!]*|please (?:do )?let (?:me|us) know if[^.?!\n]{1,60}[.!]*"
    r"|have a (?:nice|good|great|lovely) [a-z]{1,10}[^.?!\n]{0,12}[.!]*"
    r"|(?:kind |best |warm )?regards,?[^.?!]{0,60}|(?:many )?thanks,?(?: \[?[A-Za-z]{1,20}\]?){0,3}[.!]*"
    r"|请?问?(?:您)?(?:还有|有)(?:什么|其他|别的)[^。？?！!\n]{0,20}(?:帮|吗)[^。？?！!\n]{0,12}[。？?！!~～]*"
    r"|祝您?[^。！!\n]{1,12}[。！!~～]*|感谢您的[^。！!\n]{1,12}[。！!~～]*)\s*\Z",
    re.IGNORECASE,
)

_DONE = (
    r"refunded|cancelled|canceled|closed|blocked|unblocked|frozen|unfrozen|ordered|re-?ordered|re-?sent|raised|reset|"
    r"updated|changed|amended|transferred|processed|unlocked|locked|escalated|arranged|created|added|removed|submitted|"
    r"forwarded|passed|activated|approved|credited|reversed|waived|corrected|booked|issued|reported|logged|stopped|"
    r"applied|reviewed|notified|contacted|spoken|asked|requested|noted|fixed|resolved|verified|located|found|checked|"
    r"looked|posted|e-?mailed|registered|sent"
)
_DOING = (
    r"refund|cancel|close|block|unblock|freeze|unfreeze|order|send|raise|reset|update|change|transfer|process|unlock|"
    r"escalate|arrange|add|remove|submit|forward|pass|activate|credit|reverse|waive|book|issue|report|log|stop|apply|"
    r"check|look|see what|get|be right|come back|call|ring|let you|keep you|have (?:it|that|this|someone|them)|try|"
    r"do|put|e-?mail|ask|take (?:a|care|this|that)"
)
_SYSTEMS = re.compile(
    rf"\bI(?:['’]ve| have|['’]m| am| was| had)?(?: now| just| already| also){{0,2}} (?:{_DONE})\b"
    rf"|\bI(?:['’]ll| will|['’]m going to| am going to|['’]m about to) (?:now |just |also )?(?:{_DOING})\b"
    r"|\bI(?:['’]m| am) (?:now |just )?(?:refund|cancell?|send|check|look|process|transferr|escalat|updat)ing\b"
    r"|\bwe(?:['’]ve| have)(?: now| just| already)? (?:refunded|cancelled|canceled|sent|raised|reset|processed|"
    r"unlocked|escalated|credited|reversed|waived|issued|received|reviewed|updated) (?:your|you|the|this|that|it)\b"
    r"|\b(?:we|someone|they)(?:['’]ll| will) (?:get back to|be in touch|come back to|call|let|contact) you\b"
    r"|\bI (?:can )?(?:also )?see (?:that|from|on|in|here|your|you|a|the|an)\b|\bI can see\b|\blooking at your\b"
    r"|\bon my (?:system|screen|end|side)\b|\b(?:our|my) system (?:shows|says)\b|\bI(?:['’]m| am) showing\b"
    r"|\byour (?:[a-z]{1,20} ){0,3}(?:has|have) (?:now |just |already |been |successfully ){1,3}"
    r"(?:approved|declined|refunded|blocked|cancelled|sent|dispatched|processed|updated|closed|credited|reset)\b"
    r"|\byour (?:current |available |outstanding |account )?balance is\b"
    r"|\byour (?:case|reference|ticket) (?:number )?is\b"
    r"|我(?:已经?|刚刚?|这边|这就|马上|现在|来)?(?:帮|为|给|替)[您你]|(?:已经?|刚刚?)(?:为|帮|给|替)[您你]"
    r"|[帮为][您你](?:查|看|核实|处理|登记|提交|反馈|转接|办理|申请)"
    r"|(?:系统|后台|我(?:们)?这[边里])(?:显示|看到|查到|查询)|我(?:看到|查到|看了|查了|看一下|查一下)"
    r"|经查询?[，,]|查到您|您的[\u4e00-\u9fff]{0,8}(?:已经?|刚刚?)被?(?:通过|批准|拒绝|退|冻结|取消|寄出|处理|更新|激活|注销|到账|受理|解锁)"
    r"|您的(?:账户|可用|当前)?余额(?:是|为)|(?:工单|受理|案件)号(?:是|为)|(?:会有|将有)(?:专人|专员|同事|工作人员)",
    re.IGNORECASE,
)
_WAIT = re.compile(
    r"\b(?:one|just a|bear with me|a) (?:moment|second|minute|sec|mo)\b|\bbear with me\b|\bplease (?:hold|wait)\b"
    r"|\blet me (?:just )?(?:check|see|look|find|have a look|take a look|pull)|\bstill (?:there|with me)\b"
    r"|(?:稍等|稍候|等一下|耐心等)|正在(?:为您)?(?:查|核实|处理|转接)",
    re.IGNORECASE,
)
_DETAIL = (
    r"(?:full |first |last )?"
    r"(?:name|account|card|date of birth|post ?code|order|e-?mail|phone|mobile|details|reference)"
)
_ASKS_BACK = re.compile(
    r"\b(?:could|can|may|would) (?:you|I) (?:please |also )?(?:confirm|provide|give|tell|have|ask|share|send)\b"
    r"[^.!]{0,80}\?"
    rf"|\bplease (?:confirm|provide|give|tell|share|send)(?: me| us)?(?: with)? your {_DETAIL}|\bfor security\b"
    r"|\b(?:what (?:is|was) your|which (?:one|account|card))\b[^.?!]{0,40}\?"
    r"|请您?(?:提供|告知|告诉我|说一下|核对)(?:一下)?您?的?(?:姓名|账号|卡号|订单|手机|身份证号|出生|邮箱|验证|具体|信息)"
    r"|麻烦您?(?:提供|说)|请问(?:您|是)[^。]{0,30}[？?]",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"\b(?:sorry|afraid)\b[^.]{0,40}"
    r"(?:could not|couldn['’]t|cannot|can['’]t|do not|don['’]t|didn['’]t|unable to|not able to)"
    r" (?:quite )?(?:find|know|understand|answer|help|assist|say|get|catch)\b"
    r"|\bI (?:do not|don['’]t|didn['’]t|did not|could not|couldn['’]t) (?:quite )?(?:know|understand|find|catch)\b"
    r"|\bI(?:['’]m| am) not sure\b|\brephras"
    r"|\b(?:a|our) (?:human |live )?(?:person|agent|colleague)[^.]{0,20} (?:will|from our team)"
    r"|\b(?:connect|transferr?)(?:ing)? you\b|\bput(?:ting)? you through\b"
    r"|没有找到|无法回答|不太(?:明白|理解)|没有?(?:理解|听懂|明白)您|换一?种说法"
    r"|(?:为您)?转接?(?:到)?人工|我们的工作人员会"
    r"|抱歉[^。]{0,20}(?:不知道|不清楚|无法提供|没有相关)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?。！？][\s”\"')）]*")
_LABEL = re.compile(
    r"\[(?:e-mail|name|address|reference|date of birth|(?:sort|security) code"
    r"|(?:card|account|phone|identity) number)\]"
)


def is_small_talk(text: str) -> bool:
    """Whether a text is courtesy and nothing else."""
    return bool(_SMALL_TALK.fullmatch(text[:200])) and len(text) <= 200


def is_filler(text: str) -> bool:
    """Whether an agent's message only fills the time until the answer, or greets."""
    bare = bare_answer(text)
    return is_small_talk(bare) or (len(bare) < 120 and bool(_WAIT.search(bare)))


def is_fallback(text: str) -> bool:
    """Whether a reply says that there is none, or hands over to a person."""
    return bool(_UNKNOWN.search(text))


def bare_answer(text: str) -> str:
    """The answer without salutation, thanks, offers of more help and signature."""
    before = ""
    while before != text:
        before = text
        text = _CLOSING.sub("", _OPENING.sub("", text)).strip()
    return text[:1].upper() + text[1:] if text[:1].isascii() else text


def why_not(question: str, reply: str) -> str:
    """The reason why an exchange teaches nothing, or an empty text. Both are redacted, the reply bare."""
    if not re.search(r"[^\W\d_]{2}", _LABEL.sub("", question)):
        return "no_question"
    if is_small_talk(question) or not reply or is_small_talk(reply):
        return "small_talk"
    if is_fallback(reply):
        return "fallback"
    if _SYSTEMS.search(reply):
        return "needs_agents_systems"
    if _LABEL.search(reply):
        return "personal_reply"
    if is_filler(reply):
        return "filler"
    if _ASKS_BACK.search(reply) or (reply[-1] in "?？" and len(_SENTENCE_END.findall(reply)) < 2):
        return "asks_back"
    language = language_of(reply)
    if len(reply) > MAX_REPLY[language]:
        return "too_long"
    if shows_language(question) and shows_language(reply) and language != language_of(question):
        return "other_language"
    return ""
