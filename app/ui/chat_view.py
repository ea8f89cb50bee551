"""What the customer's page shows: the values of its parts for a visit."""

import gradio as gr

from app.config import Settings
from app.services.chat import Chat
from app.ui.chat_layout import ChatLayout, Updates
from app.ui.texts import text
from app.ui.transcript import TranscriptView, Turn
from app.ui.visit import Visit


class ChatView:
    """The same for all visitors; everything about one of them is in the visit."""

    def __init__(self, chat: Chat, settings: Settings, layout: ChatLayout, saved: gr.BrowserState) -> None:
        self._chat, self._settings, self.layout, self._saved = chat, settings, layout, saved
        self._transcript = TranscriptView()

    def conversation(self, visit: Visit) -> Updates:
        """The turns, and the buttons that depend on whether an answer is under way."""
        answering, language = visit.answering, visit.language
        over = visit.turns[:-1] if answering else visit.turns
        transcript = self._transcript.transcript(over, language, retry=not answering)
        if not visit.turns:
            transcript = self._transcript.welcome(language, self._chat.examples(language))
        layout = self.layout
        return {
            layout.transcript: transcript,
            layout.live: self._transcript.live(visit.turns[-1], language) if answering else "",
            layout.send: gr.update(value=text("send", language), visible=not answering),
            layout.stop: gr.update(value=text("stop", language), visible=answering),
            layout.open_export: gr.update(value=text("export", language), visible=bool(visit.turns)),
            layout.open_clear: gr.update(value=text("clear", language), visible=bool(visit.turns)),
        }

    def labels(self, visit: Visit) -> Updates:
        """The words that do not change with the conversation."""
        name = self._settings.bank_name_zh if visit.language == "zh" else self._settings.bank_name
        return self.layout.labels(visit.language, name, self._transcript)

    def remember(self, visit: Visit) -> Updates:
        """Let the browser keep what it needs after a reload."""
        return {self._saved: visit.remembered()}

    def live(self, visit: Visit, turn: Turn) -> Updates:
        """The turn that is being answered, alone."""
        return {self.layout.live: self._transcript.live(turn, visit.language)}

    def looking(self, visit: Visit) -> Updates:
        """Look for a person's replies, or do not."""
        return {self.layout.look: gr.Timer(active=visit.awaits_person)}

    def panels(self, person: bool = False, why: bool = False, clear: bool = False) -> Updates:
        """Open one form, or none."""
        return {
            self.layout.person_panel: gr.update(visible=person),
            self.layout.why_panel: gr.update(visible=why),
            self.layout.clear_panel: gr.update(visible=clear),
            self.layout.notice: "",
        }
