"""Files of this machine as a source: only where its operator allows it."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from app.domain.errors import AddressRefused, FetchFailed

MAX_FILES = 10_000  # read in one visit; the rest follows with the next


@dataclass(frozen=True)
class LocalFiles:
    """Which files may be read: all of them (`everywhere`, for commands of the operator), or those in `folders`."""

    everywhere: bool = False
    folders: tuple[Path, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether any file may be read at all."""
        return self.everywhere or bool(self.folders)

    def path_of(self, url: str) -> Path:
        """The path of a file address, links resolved. Raises AddressRefused for one that may not be read."""
        try:
            path = Path(url2pathname(urlsplit(url).path)).resolve()
            inside = any(path.is_relative_to(folder.resolve()) for folder in self.folders)
        except (OSError, ValueError) as error:
            raise FetchFailed(f"{url!r} cannot be read: {error}.") from error
        if not self.everywhere and not inside:
            raise AddressRefused(
                f"{url} is not read: it lies outside of the folders that BELLWETHER_SOURCE_FOLDERS allows."
            )
        return path

    def read(self, path: Path, limit: int) -> bytes:
        """A file's content. Raises FetchFailed when it cannot be read or is larger than `limit` bytes."""
        try:
            with path.open("rb") as file:
                content = file.read(limit + 1)
        except (OSError, ValueError) as error:
            raise FetchFailed(f"{path} cannot be read: {error}.") from error
        if len(content) > limit:
            raise FetchFailed(f"The file {path} is larger than {limit:,} bytes (BELLWETHER_FETCH_MAX_BYTES).")
        return content

    def changed(self, url: str, pattern: str, since: str) -> tuple[list[Path], str]:
        """The files below a folder that match a glob `pattern` and arrived since the mark `since`, oldest first,
        and the mark for the next time.

        Arrival is the time of the last change of the directory entry or the content, so that a file which was
        moved in with an old date is not overlooked; files of the very mark come again, since more may have
        arrived in that instant. Raises AddressRefused, and FetchFailed when there is no such folder.
        """
        folder = self.path_of(url)
        if not folder.is_dir():
            raise FetchFailed(f"{folder} is not a folder. Check the address of the source.")
        mark = int(since) if since.isdecimal() else 0
        arrivals = []
        try:
            for path in folder.glob(pattern):
                inside = path.resolve().is_relative_to(folder)  # a link must not lead elsewhere
                if inside and path.is_file() and not path.name.startswith("."):
                    arrivals.append((path.stat().st_ctime_ns, path))
        except (OSError, ValueError, NotImplementedError) as error:
            raise FetchFailed(f"{folder} cannot be listed with {pattern!r}: {error}.") from error
        fresh = sorted(arrival for arrival in arrivals if arrival[0] >= mark)[:MAX_FILES]
        return [path for _, path in fresh], str(fresh[-1][0] if fresh else mark)
