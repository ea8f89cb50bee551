"""Build the knowledge index of a folder: md, txt, html, pdf, docx, xlsx, and csv or jsonl with question and answer.

What has not changed since the last time is not embedded again. A program that is running serves its index until the
new one is complete, and takes it over within seconds.
"""

from pathlib import Path

from app.bootstrap import load_backbone
from app.integrations.documents import read_folder
from app.ml.embedder import load_embedder
from app.services.indexing import build_index
from pipelines import command_line


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--knowledge", type=Path, required=True, metavar="DIR")
    parser.add_argument("--index", type=Path, required=True, metavar="DIR")
    parser.add_argument("--fresh", action="store_true", help="embed everything again")
    arguments = parser.parse_args()
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    embedder = load_embedder(settings.embedder, backbone, settings.threads)
    index, errors = build_index(
        arguments.knowledge, arguments.index, embedder, read_folder, command_line.show_progress, arguments.fresh
    )
    files = {passage.source.split("#")[0] for passage in index.passages}
    command_line.print_json(
        {"index": str(arguments.index), "files": len(files), "passages": len(index), "skipped": errors}
    )


if __name__ == "__main__":
    command_line.run(main)
