"""Write the sentiments that analysts corrected as JSON Lines, which train_sentiment reads: text, label, topic.

python -m pipelines.export_corrections --output corrections.jsonl
"""

import argparse
import json
from pathlib import Path

from app.config import load_settings
from app.storage.article_corrections import ArticleCorrections, training_row
from app.storage.database import open_existing
from pipelines import command_line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--data-dir", type=Path, help="database to read (BELLWETHER_DATA_DIR)")
    arguments = parser.parse_args()
    database = open_existing(load_settings(data_dir=arguments.data_dir).effective_database_url)
    try:
        rows = [training_row(correction) for correction in ArticleCorrections(database).all()]
    finally:
        database.close()
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    arguments.output.write_text(lines, "utf-8")
    command_line.print_json({"rows": len(rows), "file": str(arguments.output)})


if __name__ == "__main__":
    command_line.run(main)
