"""Who gets alerts and digests: list, add or change, and remove subscriptions.

A recipient is an e-mail address, or the address of a chat channel or webhook (slack://..., json://...).
"""

import argparse
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from app.bootstrap_delivery import build_subscriptions
from app.config import load_settings
from app.domain.errors import InvalidInput
from app.domain.spikes import SEVERITIES
from app.domain.subscriptions import DIGESTS, LANGUAGES, Subscription, shown
from app.storage.database import open_database
from pipelines import command_line

ACTOR = "command line"


def main() -> None:
    arguments = parser().parse_args()
    settings = load_settings(promoted=False, data_dir=arguments.data_dir)
    database = open_database(settings.effective_database_url)
    try:
        subscriptions = build_subscriptions(settings, database, lambda: datetime.now(UTC))
        if arguments.add:
            before = subscriptions.of(arguments.add)
            saved = subscriptions.save(changed(before, arguments), ACTOR)
            command_line.print_json(line(saved))
        elif arguments.remove:
            subscriptions.remove(arguments.remove, ACTOR)
            command_line.print_json({"removed": shown(arguments.remove)})
        else:
            for subscription in subscriptions.list():
                command_line.print_json(line(subscription))
    finally:
        database.close()


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=__doc__)
    what = result.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true", help="print all subscriptions, one JSON line each")
    what.add_argument("--add", metavar="RECIPIENT", help="add a subscription, or change what is given of one")
    what.add_argument("--remove", metavar="RECIPIENT")
    result.add_argument("--topics", help="comma-separated keys; empty: all, '-': none")
    result.add_argument("--entities", help="comma-separated companies of the watchlist; empty: all, '-': none")
    result.add_argument("--min-severity", choices=("", *SEVERITIES))
    result.add_argument("--quiet", metavar="HH:MM-HH:MM", help="hours in which only severe alerts are sent")
    result.add_argument("--time-zone", metavar="ZONE", help="such as Asia/Shanghai")
    result.add_argument("--language", choices=tuple(LANGUAGES))
    result.add_argument("--digest", choices=("", *DIGESTS))
    result.add_argument(
        "--escalation", action=argparse.BooleanOptionalAction, help="on the second list: unacknowledged alerts only"
    )
    result.add_argument("--enabled", action=argparse.BooleanOptionalAction)
    result.add_argument("--data-dir", type=Path, help="database to work on (BELLWETHER_DATA_DIR)")
    return result


def changed(subscription: Subscription, arguments: argparse.Namespace) -> Subscription:
    """The subscription with what the options say. Raises InvalidInput."""
    names = ("min_severity", "time_zone", "language", "digest", "escalation", "enabled")
    values = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    for name in ("topics", "entities"):
        if (given := getattr(arguments, name)) is not None:
            values[name] = tuple(part.strip() for part in given.split(",") if part.strip())
    if arguments.quiet is not None:
        begin, dash, end = arguments.quiet.partition("-")
        if arguments.quiet and not dash:
            raise InvalidInput("Quiet hours are two times with a dash, such as 22:00-07:00.")
        values["quiet_from"], values["quiet_until"] = begin.strip(), end.strip()
    return replace(subscription, **values)


def line(subscription: Subscription) -> dict[str, object]:
    """A subscription for the screen; the address of a channel is not shown in full."""
    values = asdict(subscription)
    at = subscription.last_digest_at
    values |= {"recipient": shown(subscription.recipient), "last_digest_at": at.isoformat() if at else None}
    return values


if __name__ == "__main__":
    command_line.run(main)
