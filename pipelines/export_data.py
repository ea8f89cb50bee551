"""Write articles, trends, alerts or the audit record into a file.

    python -m pipelines.export_data --what trends --format csv --from 2026-01-01 --to 2026-04-01 --output trends.csv

Times without a zone are UTC; `--to` itself is left out. Prints the number of rows. A time or a day may be given.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from app.config import load_settings
from app.domain.exports import TABLES
from app.integrations.table_files import FORMATS
from app.services.export import Export
from app.storage.articles import Articles
from app.storage.database import open_existing
from app.storage.exports import ExportRows
from pipelines import command_line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=list(TABLES), required=True)
    parser.add_argument("--format", choices=list(FORMATS), required=True)
    parser.add_argument("--from", dest="since", type=moment, metavar="TIME", help="2026-01-31 or 2026-01-31T08:00Z")
    parser.add_argument("--to", dest="until", type=moment, metavar="TIME")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--bucket-hours", type=int, default=1, help="length of a span of trends (default 1)")
    parser.add_argument("--data-dir", type=Path, help="database to read (BELLWETHER_DATA_DIR)")
    arguments = parser.parse_args()
    database = open_existing(load_settings(data_dir=arguments.data_dir).effective_database_url)
    try:
        rows = Export(Articles(database), ExportRows(database)).write(
            arguments.what, arguments.format, arguments.output, arguments.since, arguments.until,
            arguments.bucket_hours,
        )  # fmt: skip
    finally:
        database.close()
    command_line.print_json({"what": arguments.what, "rows": rows, "file": str(arguments.output)})


def moment(text: str) -> datetime:
    """A time or a day, in UTC unless it names a zone."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-01-31 or 2026-01-31T08:00Z") from None
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)


if __name__ == "__main__":
    command_line.run(main)
