"""Add the sources of a CSV file (name,url,kind,language,category,checked[,interval_minutes,options]).

Rows whose `checked` is not "yes" are added switched off, unless --enable says otherwise; options are JSON.
What is on the list already stays as it is. data/sources/starter.csv is a beginning.
"""

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.bootstrap import utc_now
from app.config import load_settings
from app.domain.errors import Conflict, InvalidInput
from app.storage.database import open_database
from app.storage.sources import Sources
from pipelines import command_line
from pipelines.create_api_key import OPERATOR

COLUMNS = ("name", "url", "kind", "language", "category", "checked")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--enable", action="store_true", help="switch on those that nobody has checked, too")
    parser.add_argument("--language", help="only those in this language (en, zh)")
    parser.add_argument("--data-dir", type=Path, help="where the database is (BELLWETHER_DATA_DIR)")
    arguments = parser.parse_args()
    rows = list(read_sources(arguments.file))
    database = open_database(load_settings(data_dir=arguments.data_dir).effective_database_url)
    counts = {"added": 0, "enabled": 0, "known": 0}
    try:
        sources = Sources(database, utc_now)
        for row in rows:
            if arguments.language and row["language"] != arguments.language:
                continue
            enabled = arguments.enable or row["checked"] == "yes"
            try:
                sources.add(
                    row["name"], row["url"], row["kind"], row["interval_minutes"],
                    options=row["options"], enabled=enabled, by=OPERATOR,
                )  # fmt: skip
            except Conflict:
                counts["known"] += 1
                continue
            counts["added"] += 1
            counts["enabled"] += enabled
    finally:
        database.close()
    command_line.print_json(counts)


def read_sources(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a list of sources. Raises InvalidInput with the line that is wrong."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise InvalidInput(f"{path} lacks the column {missing[0]!r}; it needs {','.join(COLUMNS)}.")
        for row in reader:
            try:
                interval = int(row.get("interval_minutes") or 15)
                options = json.loads(row.get("options") or "{}")
            except ValueError as error:
                raise InvalidInput(f"{path}, line {reader.line_num}: {error}.") from error
            yield {**row, "interval_minutes": interval, "options": options}


if __name__ == "__main__":
    command_line.run(main)
