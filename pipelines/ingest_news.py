"""Fetch, classify, store and detect, once; prints the counts.

Without --source, the enabled sources of the database are visited. A file is read as a feed, a folder file by
file: feeds, pages, texts, and rows (JSON Lines, CSV) with title, url, text, published_at and outlet.
"""

from dataclasses import asdict
from pathlib import Path

from app.bootstrap import Services, build_services
from app.domain.errors import Conflict, SourceError
from app.domain.news import Source
from pipelines import command_line


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--source", action="append", default=[], metavar="URL|FILE|FOLDER")
    parser.add_argument("--once", action="store_true", help="one round, then end (the only way this command runs)")
    parser.add_argument("--data-dir", type=Path, help="database to work on (BELLWETHER_DATA_DIR)")
    arguments = parser.parse_args()
    services = build_services(
        command_line.settings_of(arguments, data_dir=arguments.data_dir),
        command_line.show_progress,
        allow_files=True,
    )
    try:
        sources = [add_source(services, s) for s in arguments.source]
        sources = sources or [s for s in services.sources.list() if s.enabled and s.kind != "push"]
        report = services.gathering.run(sources)
        alerts = services.alerting.detect()
        deliveries = services.delivering.deliver()
        command_line.print_json({**asdict(report), "alerts": len(alerts), "deliveries": deliveries})
    finally:
        services.close()
    if report.errors and len(report.errors) == report.sources:
        raise SourceError("No source gave anything: " + "; ".join(f"{k}: {v}" for k, v in report.errors.items()))


def add_source(services: Services, address: str) -> Source:
    """The source with that address, added if it is new. A path becomes a file address."""
    local = "://" not in address
    url = Path(address).resolve().as_uri() if local else address
    try:
        return services.sources.add(address, url, "folder" if local and Path(address).is_dir() else "auto")
    except Conflict:
        return next(source for source in services.sources.list() if source.url == url)


if __name__ == "__main__":
    command_line.run(main)
