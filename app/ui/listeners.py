"""What every listener of the interface shares: errors become a message, never a traceback."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import gradio as gr

from app.domain.errors import AppError

LOG = logging.getLogger(__name__)


def shows_errors(listener: Callable[..., Any]) -> Callable[..., Any]:
    """Show an AppError's message as a warning and leave the outputs as they were.

    Any other error is a defect: it is logged with its traceback, and the visitor is told so.
    """

    @functools.wraps(listener)
    def guarded(*args: Any) -> Any:
        try:
            return listener(*args)
        except AppError as error:
            gr.Warning(str(error))
        except Exception:
            LOG.exception("a listener of the interface failed")
            gr.Warning("Something failed; the server's log has the details. Try again.")
        return gr.skip()

    return guarded
