"""Make a key for the programming interface and print it, once; or list and revoke keys.

python -m pipelines.create_api_key --name wire --scope articles:write
curl -H "Authorization: Bearer KEY" --json '{"title": "...", "text": "..."}' http://HOST/api/articles
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from app.bootstrap import utc_now
from app.config import load_settings
from app.domain.api_keys import SCOPES
from app.domain.errors import InvalidInput
from app.services.api_keys import ApiKeys
from app.storage.api_keys import StoredApiKeys
from app.storage.database import open_database
from pipelines import command_line

OPERATOR = "operator"  # the actor of commands in the record of changes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", help="what the key is for")
    parser.add_argument("--scope", action="append", default=[], choices=SCOPES, help="what it may do; repeatable")
    parser.add_argument("--revoke", action="store_true", help="end the key of that name")
    parser.add_argument("--list", action="store_true", help="what is known of all keys, one JSON line each")
    parser.add_argument("--data-dir", type=Path, help="where the database is (BELLWETHER_DATA_DIR)")
    arguments = parser.parse_args()
    if not arguments.list and not arguments.name:
        raise InvalidInput("Say which key: --name NAME.")
    database = open_database(load_settings(data_dir=arguments.data_dir).effective_database_url)
    try:
        keys = ApiKeys(StoredApiKeys(database), utc_now)
        if arguments.list:
            for key in keys.list():
                command_line.print_json({k: str(v) if k.endswith("_at") else v for k, v in asdict(key).items()})
        elif arguments.revoke:
            keys.revoke(arguments.name, OPERATOR)
        else:
            print(keys.create(arguments.name, arguments.scope, OPERATOR))
    finally:
        database.close()


if __name__ == "__main__":
    command_line.run(main)
