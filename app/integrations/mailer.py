"""Hand one mail for one recipient to an SMTP server."""

import asyncio
import re
import ssl
from email.message import EmailMessage
from typing import Literal

import aiosmtplib

from app.domain.errors import DeliveryDeferred, DeliveryError, DeliveryRefused

_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>@]+")


class Mailer:
    """Sends through one server, whose certificate is verified. `timeout` bounds a whole delivery, in seconds."""

    def __init__(
        self,
        host: str,
        port: int,
        security: Literal["starttls", "tls", "none"],
        username: str = "",
        password: str = "",
        timeout: float = 20.0,
    ) -> None:
        self._host, self._port, self._security = host, port, security
        self._username, self._password, self._timeout = username, password, timeout

    def send(self, message: EmailMessage, recipient: str) -> None:
        """Deliver `message` to `recipient` alone, whoever its headers name.

        Raises DeliveryRefused when the server rejects this mail for good (5xx), DeliveryDeferred for all
        that may pass or can be mended in the settings: 4xx, network, certificate, sign-in.
        """
        if not _ADDRESS.fullmatch(recipient):
            raise DeliveryRefused(f"{recipient!r} is not an e-mail address. Check BELLWETHER_ALERT_RECIPIENTS.")
        try:
            asyncio.run(self._send(message, recipient))
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise self._translate(error, recipient) from error

    async def _send(self, message: EmailMessage, recipient: str) -> None:
        async with asyncio.timeout(self._timeout):
            await aiosmtplib.send(
                message,
                recipients=[recipient],
                hostname=self._host,
                port=self._port,
                username=self._username or None,
                password=self._password or None,
                timeout=self._timeout,
                use_tls=self._security == "tls",
                start_tls=self._security == "starttls",
                validate_certs=True,
            )

    def _translate(self, error: Exception, recipient: str) -> DeliveryError:
        server = f"{self._host}:{self._port}"
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
            error = error.recipients[0]
        match error:
            case aiosmtplib.SMTPAuthenticationError():
                return DeliveryDeferred(
                    f"{server} did not accept the sign-in ({error.code} {error.message}). "
                    "Check BELLWETHER_SMTP_USERNAME and BELLWETHER_SMTP_PASSWORD."
                )
            case aiosmtplib.SMTPConnectResponseError() | aiosmtplib.SMTPHeloError():
                return DeliveryDeferred(f"{server} does not talk to us now ({error.code} {error.message}).")
            case aiosmtplib.SMTPResponseException() if error.code >= 500:
                return DeliveryRefused(f"{server} refused mail to {recipient}: {error.code} {error.message}")
            case aiosmtplib.SMTPResponseException():
                return DeliveryDeferred(f"{server} put off mail to {recipient}: {error.code} {error.message}")
            case TimeoutError():
                return DeliveryDeferred(f"{server} did not finish within {self._timeout:g} s.")
            case ValueError() if not isinstance(error, ssl.SSLError):
                return DeliveryRefused(f"Mail to {recipient!r} cannot be addressed: {error}.")
            case _:
                return DeliveryDeferred(
                    f"{server} cannot be used ({error}). Check BELLWETHER_SMTP_HOST, _PORT and _SECURITY."
                )
