"""Chat channels and webhooks, through Apprise: one message to one address such as slack://... or json://..."""

import importlib
import logging
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.domain.errors import AddressRefused, DeliveryDeferred, DeliveryRefused, InvalidInput
from app.domain.subscriptions import check_recipient, is_channel, shown
from app.integrations.guarded_network import is_public

_STATUS = re.compile(r"error=(\d{3})")
_PASSING = {408, 425, 429}  # refusals by HTTP status that may pass
_CONNECT_SECONDS, _READ_SECONDS = 8.0, 12.0
_HERE = threading.local()  # what holds for the message that this thread sends
_INSTALLING = threading.Lock()


class Channels:
    """Sends to channels that speak HTTP. Addresses in a private network are refused unless they are allowed.

    Apprise is imported with the first channel. Redirects are not followed.
    """

    def __init__(self, allow_private_addresses: bool) -> None:
        self._allow_private = allow_private_addresses

    def check(self, recipient: str) -> None:
        """Raises InvalidInput for a channel that cannot be used; for an e-mail address only if it is none."""
        check_recipient(recipient)
        if is_channel(recipient):
            self._open(recipient)

    def send(self, recipient: str, title: str, body: str, message_id: str) -> None:
        """Deliver one message.

        Raises DeliveryRefused for what will not pass by itself (a wrong address, 4xx), else DeliveryDeferred.
        """
        try:
            plugin = self._open(recipient)
        except InvalidInput as error:
            raise DeliveryRefused(str(error)) from error
        if isinstance(getattr(plugin, "headers", None), dict):
            plugin.headers.setdefault("Idempotency-Key", message_id.strip("<>"))
        with _only_public(not self._allow_private), _words_of_this_thread() as words:
            try:
                taken = plugin.notify(title=title, body=body)
            except AddressRefused as error:
                raise DeliveryRefused(str(error)) from error
        if not taken:
            raise self._translate(recipient, words)

    def _open(self, recipient: str) -> Any:
        apprise = _apprise()
        asset = apprise.AppriseAsset(secure_logging=True, http_redirects=False, app_id="Bellwether")
        plugin = apprise.Apprise.instantiate(recipient, asset=asset)
        if plugin is None:
            raise InvalidInput(f"{shown(recipient)} is not the address of a channel that Apprise knows.")
        if not hasattr(sys.modules[type(plugin).__module__], "requests"):
            raise InvalidInput(f"{shown(recipient)} does not speak HTTP; only channels that do can be used.")
        plugin.verify_certificate = True
        plugin.socket_connect_timeout = min(plugin.socket_connect_timeout, _CONNECT_SECONDS)
        plugin.socket_read_timeout = min(plugin.socket_read_timeout, _READ_SECONDS)
        return plugin

    def _translate(self, recipient: str, words: list[str]) -> Exception:
        refused = getattr(_HERE, "refused", None)
        if refused:
            return DeliveryRefused(refused)
        said = " ".join(words) or "it gave no reason"
        reason = f"{shown(recipient)} did not take the message: {said}"
        found = _STATUS.search(said)
        status = int(found.group(1)) if found else 0
        final = 400 <= status < 500 and status not in _PASSING
        return DeliveryRefused(reason) if final else DeliveryDeferred(reason)


def _apprise() -> Any:
    """The library, imported when first needed, with the check of addresses in the connections that it makes."""
    with _INSTALLING:
        _guard_connections()
        return importlib.import_module("apprise")


def _guard_connections() -> None:
    """Have the HTTP library that Apprise uses look at an address before it dials it.

    Its plugins open connections of their own and take no transport from outside, so the check sits in the one
    function that all of them go through. It applies to threads that ask for it (_only_public) and no others.
    """
    connection: Any = importlib.import_module("urllib3.util.connection")
    dial = connection.create_connection
    if getattr(dial, "looks_at_addresses", False):
        return

    def dial_if_public(address: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
        if not getattr(_HERE, "public_only", False):
            return dial(address, *args, **options)
        host, port = address
        answers = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        found = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        if not found or not all(is_public(ip) for ip in found):
            _HERE.refused = (
                f"{host} is an address of a private network, to which nothing is sent. "
                "Set BELLWETHER_ALLOW_PRIVATE_ADDRESSES=true if channels of your own network are meant."
            )
            raise AddressRefused(_HERE.refused)
        failure: OSError = OSError(f"{host} has no address")
        for ip in found:
            try:
                return dial((ip, port), *args, **options)
            except OSError as error:
                failure = error
        raise failure

    dial_if_public.looks_at_addresses = True  # type: ignore[attr-defined]
    connection.create_connection = dial_if_public


@contextmanager
def _only_public(wanted: bool) -> Iterator[None]:
    _HERE.public_only, _HERE.refused = wanted, None
    try:
        yield
    finally:
        _HERE.public_only = False


@contextmanager
def _words_of_this_thread() -> Iterator[list[str]]:
    """What the library reports as going wrong, in place of the reasons that it does not return."""
    words: list[str] = []
    thread = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                words.append(record.getMessage())

    listener, logger = Listener(logging.WARNING), logging.getLogger("apprise")
    logger.addHandler(listener)
    try:
        yield words
    finally:
        logger.removeHandler(listener)
