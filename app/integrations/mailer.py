"""Hand one mail for one recipient to an SMTP server."""

import asyncio
import re
import ssl
from contextlib import suppress
from email.message import EmailMessage
from typing import Literal

import aiosmtplib

from app.domain.errors import DeliveryDeferred, DeliveryError, DeliveryRefused, ServerUnreachable

_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>@]+")
_CLOSING = 421  # RFC 5321: the service closes the connection, at whatever stage
_PARTING = 2.0  # seconds that a server may take to say goodbye


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
        that may pass or can be mended in the settings: 4xx, network, certificate, sign-in. It is a
        ServerUnreachable where another mail would fare no better: no connection, no sign-in, 421.
        """
        if not _ADDRESS.fullmatch(recipient):
            raise DeliveryRefused(f"{recipient!r} is not an e-mail address. Check BELLWETHER_ALERT_RECIPIENTS.")
        asyncio.run(self._send(message, recipient))

    async def _send(self, message: EmailMessage, recipient: str) -> None:
        """One mail over a connection of its own. What happens after the server took it is no failure of it."""
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._username or None,
            password=self._password or None,
            timeout=self._timeout,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",
            validate_certs=True,
        )
        connected = False
        try:
            async with asyncio.timeout(self._timeout):
                await client.connect()
                connected = True
                await client.send_message(message, recipients=[recipient])
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise self._translate(error, recipient, connected) from error
        else:
            with suppress(aiosmtplib.SMTPException, OSError):
                async with asyncio.timeout(min(_PARTING, self._timeout)):
                    await client.quit()
        finally:
            client.close()

    def _translate(self, error: Exception, recipient: str, connected: bool) -> DeliveryError:
        server = f"{self._host}:{self._port}"
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
            error = error.recipients[0]
        put_off = DeliveryDeferred if connected else ServerUnreachable
        match error:
            case aiosmtplib.SMTPAuthenticationError():
                return ServerUnreachable(
                    f"{server} did not accept the sign-in ({error.code} {error.message}). "
                    "Check BELLWETHER_SMTP_USERNAME and BELLWETHER_SMTP_PASSWORD."
                )
            case aiosmtplib.SMTPConnectResponseError() | aiosmtplib.SMTPHeloError():
                return ServerUnreachable(f"{server} does not talk to us now ({error.code} {error.message}).")
            case aiosmtplib.SMTPResponseException() if error.code == _CLOSING:
                return ServerUnreachable(f"{server} closes for now: {error.code} {error.message}")
            case aiosmtplib.SMTPResponseException() if error.code >= 500 and connected:
                return DeliveryRefused(f"{server} refused mail to {recipient}: {error.code} {error.message}")
            case aiosmtplib.SMTPResponseException():
                return put_off(f"{server} put off mail to {recipient}: {error.code} {error.message}")
            case TimeoutError():
                return put_off(f"{server} did not finish within {self._timeout:g} s.")
            case ValueError() if not isinstance(error, ssl.SSLError):
                return DeliveryRefused(f"Mail to {recipient!r} cannot be addressed: {error}.")
            case _:
                return put_off(
                    f"{server} cannot be used ({error}). Check BELLWETHER_SMTP_HOST, _PORT and _SECURITY."
                )
