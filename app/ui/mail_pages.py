"""The pages behind the links of mails: plain HTML forms in the look of the others, in the recipient's language."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo, available_timezones

from app.domain.news import TOPICS
from app.domain.subscriptions import DIGESTS, LANGUAGES, Subscription, shown
from app.services.letters import local_time
from app.services.mail_links import SILENCE_HOURS, Offer
from app.services.mail_words import say, topic_in
from app.ui.theme import HEAD, PAGE_CSS
from app.ui.views import Views


class MailPages:
    """Renders the pages; `topics` are the titles in force."""

    def __init__(self, views: Views, topics: Mapping[str, str] = TOPICS) -> None:
        self._views, self._topics = views, topics

    def confirm(self, offer: Offer, token: str) -> str:
        """The question before an alert is acknowledged or silenced."""
        return self._page(
            "mail_confirm.html",
            f"page_{offer.action}",
            offer.reader,
            offer=offer,
            subject=self._subject(offer),
            detected=self._time(offer.alert.detected_at, offer.reader),
            token=token,
            silence_hours=SILENCE_HOURS,
        )

    def done(self, offer: Offer, until: datetime | None) -> str:
        """What was done."""
        language = offer.reader.language
        when = self._time(until, offer.reader) if until else ""
        notice = say(language, f"done_{offer.action}", until=when)
        return self._page("mail_done.html", "page_done", offer.reader, notice=notice, subject=self._subject(offer))

    def settings(self, subscription: Subscription, token: str, saved: bool = False, message: str = "") -> str:
        """What a recipient gets, to be changed."""
        return self._page(
            "mail_settings.html",
            "page_settings",
            subscription,
            subscription=subscription,
            token=token,
            languages=LANGUAGES,
            digests=tuple(DIGESTS),
            zones=sorted(available_timezones()),
            notice=say(subscription.language, "done_settings") if saved else "",
            message=message,
        )

    def failed(self, message: str) -> str:
        """Why a link could not be used. Whose it was is not known, so it is in English."""
        return self._page("mail_done.html", "page_failed", Subscription(""), message=message, subject="")

    def _page(self, template: str, title: str, reader: Subscription, **values: object) -> str:
        values = {"notice": "", "message": "", **values}
        return self._views.render(
            template,
            title=say(reader.language, title),
            head=HEAD,
            css=PAGE_CSS,
            say=partial(say, reader.language),
            recipient=shown(reader.recipient),
            language="zh-Hans" if reader.language == "zh" else "en",
            **values,
        )

    def _subject(self, offer: Offer) -> str:
        return offer.alert.entity or topic_in(offer.reader.language, offer.alert.topic, self._topics)

    def _time(self, moment: datetime, reader: Subscription) -> str:
        return local_time(moment, ZoneInfo(reader.time_zone or "UTC"), reader.language)
