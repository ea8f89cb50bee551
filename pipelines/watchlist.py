"""List the companies on watch, or bring some in from a CSV file and tag the articles of the last days with them.

A file has a name a row, with the columns company,name,kind,case_sensitive,needs,safe; all but the first may be
missing (see app/storage/watchlist.py).
"""

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from app.bootstrap import build_services, utc_now
from app.domain.errors import InvalidInput
from app.storage.database import open_database
from app.storage.watchlist import Watchlist, read_watchlist
from pipelines import command_line

TAGGED_DAYS = 30


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--import", dest="file", type=Path, metavar="FILE", help="add or change the companies of a file"
    )
    what.add_argument("--list", action="store_true", help="print the companies, one JSON line each")
    parser.add_argument(
        "--tag-days", type=int, default=TAGGED_DAYS, help="articles of how many days to tag anew (0: none)"
    )
    parser.add_argument("--data-dir", type=Path, help="database to work on (BELLWETHER_DATA_DIR)")
    arguments = parser.parse_args()
    if arguments.tag_days < 0:
        raise InvalidInput("--tag-days is 0 or more.")
    settings = command_line.settings_of(arguments, data_dir=arguments.data_dir)
    database = open_database(settings.effective_database_url)
    try:
        watchlist, now = Watchlist(database), utc_now()
        if arguments.list:
            for company in watchlist.list():
                command_line.print_json(asdict(company))
            return
        if not arguments.file.is_file():
            raise InvalidInput(f"There is no file {arguments.file}.")
        companies = read_watchlist(arguments.file.read_bytes(), str(arguments.file))
        changed = watchlist.import_companies(companies, now)
    finally:
        database.close()
    tagged = 0
    if changed and arguments.tag_days:
        services = build_services(settings, command_line.show_progress)
        try:
            since = now - timedelta(days=arguments.tag_days)
            tagged = sum(services.entities.retag(company, since) for company in changed)
        finally:
            services.close()
    command_line.print_json({"companies": len(companies), "changed": len(changed), "articles_tagged": tagged})


if __name__ == "__main__":
    command_line.run(main)
