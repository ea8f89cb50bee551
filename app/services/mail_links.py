"""The links that mails carry: signed, and those that change an alert good for one time only."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from itsdangerous import BadData, SignatureExpired, TimestampSigner, URLSafeTimedSerializer

from app.domain.alerts import Alert
from app.domain.errors import AppError, Conflict, InvalidInput, NotFound
from app.domain.subscriptions import Subscription
from app.services.alert_mail import AlertLinks
from app.services.letters import web_link
from app.services.subscriptions import Subscriptions
from app.storage.subscriptions import UsedTokens

ACTIONS = ("acknowledge", "silence")
LIFE = timedelta(days=7)
SETTINGS_LIFE = timedelta(days=60)  # to unsubscribe must be possible for longer than to act
SILENCE_HOURS = (4, 24, 168)
PAGES = "/mail"
_ALERT, _SETTINGS = "alert", "subscription"  # salts: a token of one kind is none of the other
_DASHBOARD = "/analyst"


@dataclass(frozen=True)
class Offer:
    """What a link offers to do, to whom it was sent."""

    action: str
    alert: Alert
    reader: Subscription


class MailLinks:
    """Makes links and does what they say. Without a public address there are none.

    `get_alert`, `acknowledge` and `silence` are the alert's own doings: the last two take the alert's id or the
    alert, and who does it.
    """

    def __init__(
        self,
        key: bytes,
        public_url: str,
        subscriptions: Subscriptions,
        used: UsedTokens,
        clock: Callable[[], datetime],
        get_alert: Callable[[int], Alert],
        acknowledge: Callable[[int, str], Any],
        silence: Callable[[Alert, str, datetime], Any],
    ) -> None:
        self._base = web_link(public_url).rstrip("/")
        self._subscriptions, self._used, self._clock = subscriptions, used, clock
        self._get_alert, self._acknowledge, self._silence = get_alert, acknowledge, silence

        class Signer(TimestampSigner):
            def get_timestamp(self) -> int:
                return int(clock().timestamp())

        self._signed = {
            salt: URLSafeTimedSerializer(
                key, salt=salt, signer=Signer, signer_kwargs={"digest_method": hashlib.sha256}
            )
            for salt in (_ALERT, _SETTINGS)
        }

    def for_alert(self, alert: Alert, recipient: str) -> AlertLinks:
        """The links of one mail about an alert."""
        if not self._base:
            return AlertLinks()
        tokens = {
            action: self._signed[_ALERT].dumps([action, alert.id, recipient, secrets.token_urlsafe(12)])
            for action in ACTIONS
        }
        return AlertLinks(
            **{action: f"{self._base}{PAGES}/alert/{token}" for action, token in tokens.items()},  # type: ignore[arg-type]
            dashboard=f"{self._base}{_DASHBOARD}",
            settings=self.settings_link(recipient),
        )

    def settings_link(self, recipient: str) -> str:
        """The page on which a recipient chooses what to get."""
        return f"{self._base}{PAGES}/settings/{self._signed[_SETTINGS].dumps(recipient)}" if self._base else ""

    def dashboard(self) -> str:
        return f"{self._base}{_DASHBOARD}" if self._base else ""

    def offer(self, token: str) -> Offer:
        """What an alert's link would do. Raises InvalidInput, Conflict for a link that was used, NotFound."""
        action, alert_id, recipient, nonce = self._read(token)
        if self._used.known(_hash(nonce)):
            raise Conflict("This link has been used already. Open the dashboard to do more.")
        return Offer(action, self._get_alert(alert_id), self._subscriptions.of(recipient))

    def follow(self, token: str, hours: int = 0) -> datetime | None:
        """Do what an alert's link says, once, in the name of its recipient.

        Gives when a silence of `hours` (SILENCE_HOURS) ends. Raises what `offer` does, Conflict for an alert that
        was dealt with meanwhile, and NotFound where the recipient was removed since.
        """
        action, alert_id, recipient, nonce = self._read(token)
        if action == "silence" and hours not in SILENCE_HOURS:
            raise InvalidInput(f"A silence lasts {', '.join(map(str, SILENCE_HOURS))} hours.")
        if not self._subscriptions.known(recipient):
            raise NotFound(f"{recipient} is no recipient of alerts any more.")
        alert, now = self._get_alert(alert_id), self._clock()
        if not self._used.spend(_hash(nonce), now, now - LIFE - timedelta(days=1)):
            raise Conflict("This link has been used already. Open the dashboard to do more.")
        try:
            if action == "acknowledge":
                self._acknowledge(alert_id, recipient)
                return None
            until = now + timedelta(hours=hours)
            self._silence(alert, recipient, until)
            return until
        except Conflict:
            raise
        except AppError:
            self._used.give_back(_hash(nonce))
            raise

    def subscriber(self, token: str) -> Subscription:
        """Whose settings a link opens. Raises InvalidInput, NotFound."""
        return self._subscriptions.get(self._load(_SETTINGS, token, SETTINGS_LIFE))

    def choose(self, subscription: Subscription) -> Subscription:
        """Save what a subscriber chose. Raises InvalidInput."""
        return self._subscriptions.choose(subscription)

    def _read(self, token: str) -> tuple[str, int, str, str]:
        action, alert_id, recipient, nonce = self._load(_ALERT, token, LIFE)
        return action, alert_id, recipient, nonce

    def _load(self, salt: str, token: str, life: timedelta) -> Any:
        try:
            return self._signed[salt].loads(token, max_age=int(life.total_seconds()))
        except SignatureExpired as error:
            raise InvalidInput(f"This link is older than {life.days} days. Open the dashboard instead.") from error
        except BadData as error:
            raise InvalidInput("This link is damaged. Copy it from the mail in full.") from error


def _hash(nonce: str) -> str:
    """The nonce, not the token, is what is used up: a token can be written in more than one way."""
    return hashlib.sha256(nonce.encode()).hexdigest()
