"""What the tabs of the operations page show and do, on a real database and a real folder of documents."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain.accounts import Account, AccountRole
from app.domain.errors import AccessDenied, Conflict, InvalidInput, NotFound, RoleMissing
from app.services.accounts import AccountService
from app.storage.database import Database
from app.storage.operations import AuditFilter
from app.ui.operations.accounts import act_on_account, render_accounts
from app.ui.operations.adapters import act_on_adapter, render_adapters
from app.ui.operations.api_keys import act_on_key, create_key, render_api_keys
from app.ui.operations.audit import render_audit, show_audit
from app.ui.operations.jobs import act_on_job, render_jobs
from app.ui.operations.knowledge import TASK, act_on_knowledge, render_knowledge, upload_document
from app.ui.operations.room import Room
from app.ui.operations.settings import render_settings
from app.ui.operations.storage import act_on_storage, render_storage
from app.ui.views import Views
from tests.fakes import ManualClock
from tests.operations import operations_services

NOW = datetime(2025, 11, 24, 9, 0, tzinfo=UTC)
SECRET = re.compile(r"<code[^>]*>([^<]+)</code>")


@pytest.fixture
def room(database: Database, tmp_path: Path) -> Room:
    """Requests stand for the accounts that they come from."""
    clock = ManualClock(NOW)
    services = operations_services(database, tmp_path, clock)
    return Room(services, Views("Asia/Shanghai"), lambda request: request, clock)


@pytest.fixture
def ada(room: Room) -> Account:
    return room.services.accounts.find("ada")


def accounts(room: Room) -> AccountService:
    return room.services.accounts


def audit(room: Room, **fields: Any) -> list[tuple[str, str, str]]:
    entries = room.services.operations.rows.audit(AuditFilter(**fields))
    return [(entry.actor, entry.action, entry.subject_id) for entry in entries]


# -- who may -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [AccountRole.AGENT, AccountRole.ANALYST])
def test_every_action_is_refused_to_lesser_roles(room: Room, role: AccountRole, tmp_path: Path) -> None:
    other = Account(99, "eve", role)
    sent = tmp_path / "new.md"
    sent.write_text("# New\n\nText.")
    for act in (
        lambda: act_on_account(room, other, "remove", 1),
        lambda: act_on_key(room, other, "revoke", 1),
        lambda: create_key(room, other, "mine", ["chat"]),
        lambda: act_on_job(room, other, "run retention"),
        lambda: act_on_adapter(room, other, "roll-back sentiment"),
        lambda: act_on_knowledge(room, other, "delete fees.md"),
        lambda: act_on_knowledge(room, other, "edit fees.md"),
        lambda: upload_document(room, other, str(sent), "", False),
        lambda: act_on_storage(room, other, "retention"),
        lambda: show_audit(room, other, AuditFilter()),
    ):
        with pytest.raises(RoleMissing):
            act()
    assert room.services.jobs_run == []
    assert not (room.services.settings.knowledge_dir / "new.md").exists()


def test_action_after_the_session_ended_is_refused(room: Room) -> None:
    def nobody(_request: Any) -> Account:
        raise AccessDenied("You are not signed in.")

    with pytest.raises(AccessDenied):
        act_on_job(replace(room, account_of=nobody), None, "run retention")


@pytest.mark.parametrize("act", [act_on_job, act_on_adapter, act_on_knowledge, act_on_storage])
def test_unknown_button_is_refused(room: Room, ada: Account, act: Any) -> None:
    with pytest.raises(InvalidInput, match="Reload"):
        act(room, ada, "explode everything")


# -- accounts and keys -------------------------------------------------------------------------------


def test_account_is_changed_locked_reset_and_removed(room: Room, ada: Account) -> None:
    first = accounts(room).invite("Ben", "agent", "ada")
    ben = accounts(room).find("ben")
    token = accounts(room).sign_in("ben", first, "10.0.0.7", "A browser")
    html = render_accounts(room, ada)
    assert "from 10.0.0.7" in html
    assert "24 Nov 2025, 17:00 CST" in html
    act_on_account(room, ada, "role analyst", ben.id)
    assert accounts(room).find("ben").role is AccountRole.ANALYST
    act_on_account(room, ada, "lock", ben.id)
    assert accounts(room).account_of(token) is None
    assert ">locked</span>" in render_accounts(room, ada)
    act_on_account(room, ada, "unlock", ben.id)
    shown = act_on_account(room, ada, "reset", ben.id)
    [password] = SECRET.findall(shown)
    assert accounts(room).account_of(accounts(room).sign_in("ben", password)) is not None
    assert password not in render_accounts(room, ada)
    act_on_account(room, ada, "remove", ben.id)
    with pytest.raises(NotFound):
        act_on_account(room, ada, "lock", ben.id)
    done = [action for actor, action, _ in audit(room, actor="ada", subject="account") if actor == "ada"]
    assert done[:5] == ["remove account", "reset password", "unlock account", "lock account", "change role"]


def test_sessions_are_ended_one_by_one_or_all(room: Room, ada: Account) -> None:
    password = accounts(room).invite("ben", "agent")
    ben = accounts(room).find("ben")
    tokens = [accounts(room).sign_in("ben", password) for _ in range(3)]
    act_on_account(room, ada, f"end {accounts(room).sessions(ben)[0].id}", ben.id)
    assert len(accounts(room).sessions(ben)) == 2
    assert audit(room, action="end session")[0][0] == "ada"
    act_on_account(room, ada, "end-all", ben.id)
    assert [accounts(room).account_of(token) for token in tokens] == [None] * 3


@pytest.mark.parametrize("action", ["role agent", "lock", "reset", "remove"])
def test_own_account_is_left_to_another_administrator(room: Room, ada: Account, action: str) -> None:
    accounts(room).create_account("bea", "correct horse battery", "administrator")
    with pytest.raises(Conflict, match="your own account"):
        act_on_account(room, ada, action, ada.id)
    assert not accounts(room).find("ada").disabled


def test_key_is_shown_once_and_revoked(room: Room, ada: Account) -> None:
    assert "Make a key" in render_api_keys(room)
    [key] = SECRET.findall(create_key(room, ada, " Press  desk ", ["chat", "articles:read"]))
    found = room.services.api_keys.check(key)
    assert (found.name, found.scopes) == ("Press desk", ("articles:read", "chat"))
    assert key not in render_api_keys(room)
    act_on_key(room, ada, "revoke", found.id)
    assert room.services.api_keys.check(key) is None
    assert ">revoked</span>" in render_api_keys(room)
    with pytest.raises(InvalidInput):
        create_key(room, ada, "no scope", [])


# -- jobs and storage --------------------------------------------------------------------------------


def test_job_is_paused_resumed_and_run(room: Room, ada: Account) -> None:
    act_on_job(room, ada, "pause retention")
    assert "Paused by ada, 24 Nov 2025, 17:00 CST." in render_jobs(room)
    act_on_job(room, ada, "resume retention")
    act_on_job(room, ada, "run retention")
    room.services.operations.background.wait("job retention")
    assert room.services.jobs_run == ["retention"]
    assert "12,000 articles" in render_jobs(room)
    assert ("ada", "run now", "retention") in audit(room)


def test_job_that_fails_when_asked_for_says_why(room: Room, ada: Account) -> None:
    def busy(_job: str) -> dict[str, int]:
        raise Conflict("Another process runs the jobs.")

    room.services.scheduler.run_now = busy
    act_on_job(room, ada, "run retention")
    room.services.operations.background.wait("job retention")
    assert "Another process runs the jobs." in render_jobs(room)


def test_storage_shows_rows_and_runs_retention(room: Room, ada: Account) -> None:
    html = render_storage(room)
    assert "It has not run yet." in html
    assert '<td>accounts</td><td class="bw-number">1</td>' in html
    act_on_storage(room, ada, "retention")
    room.services.operations.background.wait("job retention")
    assert "12,000 articles" in render_storage(room)
    assert room.services.operations.rows.size() > 0


def test_audit_is_filtered_and_turned_back(room: Room, ada: Account) -> None:
    assert "create account" in show_audit(room, ada, AuditFilter())[0]
    for number in range(60):
        room.services.operations.note("ben", "run now", "job", f"job{number}")
    html, newest, older = show_audit(room, ada, AuditFilter(actor="BE"))
    assert (newest.visible, older.visible) == (False, True)
    assert "job59" in html
    assert "create account" not in html
    last = room.services.operations.rows.audit(AuditFilter(actor="ben"), 50)[-1].id
    html, newest, older = show_audit(room, ada, AuditFilter(actor="ben", before=last))
    assert (newest.visible, older.visible) == (True, False)
    assert "job0<" in html
    assert "Nothing matches" in render_audit(room, [], AuditFilter(subject="rule"))


# -- knowledge base ----------------------------------------------------------------------------------


def send(tmp_path: Path, name: str, content: bytes) -> str:
    path = tmp_path / "sent" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return str(path)


def test_upload_puts_a_document_into_the_folder_and_the_index(room: Room, ada: Account, tmp_path: Path) -> None:
    rows = "question,answer,valid from,valid until\nAn offer?,Yes.,2025-01-01,2025-02-01\nWhen?,Soon.,2099-01-01,\n"
    sent = send(tmp_path, "offers.csv", rows.encode())
    assert upload_document(room, ada, sent, "en", False) == "en/offers.csv is saved with 2 entries."
    assert not Path(sent).exists()
    assert "not indexed yet" in render_knowledge(room)[1]
    act_on_knowledge(room, ada, "look")
    html = render_knowledge(room)[1]
    assert "2 of them limited in time, valid from 2025-01-01; 1 no longer valid; 1 not valid yet." in html
    again = send(tmp_path, "offers.csv", rows.encode())
    with pytest.raises(Conflict, match="Replace"):
        upload_document(room, ada, again, "en", False)
    assert "saved" in upload_document(room, ada, send(tmp_path, "offers.csv", rows.encode()), "en", True)
    act_on_knowledge(room, ada, "delete en/offers.csv")
    assert not (room.services.settings.knowledge_dir / "en/offers.csv").exists()
    assert [row[1:] for row in audit(room, subject="document")] == [
        ("delete", "en/offers.csv"), ("replace", "en/offers.csv"), ("upload", "en/offers.csv"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("tool.exe", b"MZ", "kind"),
        (".hidden.md", b"# A\n\ntext", "usable name"),
        ("a#b.md", b"# A\n\ntext", "usable name"),
        ("prices.csv", b"a,b\n1,2\n", "column"),
        ("empty.md", b"  \n", "empty"),
        ("latin.txt", b"\xff\xfe\xe9", "UTF-8"),
        ("scan.pdf", b"not a pdf", "Not saved"),
        ("large.txt", b"x" * 10_000_001, "at most"),
    ],
)
def test_upload_that_cannot_be_used_changes_nothing(
    room: Room, ada: Account, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    folder = room.services.settings.knowledge_dir
    before = sorted(folder.rglob("*"))
    with pytest.raises(InvalidInput, match=reason):
        upload_document(room, ada, send(tmp_path, name, content), "", False)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("folder", ["..", "/etc", "en/../..", "nowhere"])
def test_upload_outside_the_folder_is_refused(room: Room, ada: Account, tmp_path: Path, folder: str) -> None:
    with pytest.raises(InvalidInput, match="no folder"):
        upload_document(room, ada, send(tmp_path, "a.md", b"# A\n\ntext"), folder, False)


@pytest.mark.parametrize("name", ["../secret.md", "/etc/passwd", "en/../fees.md", ""])
def test_nothing_outside_the_folder_is_opened_or_deleted(room: Room, ada: Account, name: str) -> None:
    (room.services.settings.knowledge_dir.parent / "secret.md").write_text("secret")
    for verb in ("edit", "delete"):
        with pytest.raises(NotFound):
            act_on_knowledge(room, ada, f"{verb} {name}")


def test_edit_is_checked_before_it_is_saved(room: Room, ada: Account) -> None:
    files, folder = room.services.operations.files, room.services.settings.knowledge_dir
    opened = act_on_knowledge(room, ada, "edit fees.md")
    assert "Cheques" in opened.text
    with pytest.raises(InvalidInput, match="which is no day"):
        files.save(replace(opened, text="---\nvalid until: tomorrow\n---\n# Fees\n\nNone."), "ada")
    assert files.open("fees.md") == opened
    files.save(replace(opened, text="# Fees\n\nThere are none."), "ada")
    assert (folder / "fees.md").read_text("utf-8") == "# Fees\n\nThere are none."
    with pytest.raises(Conflict, match="meanwhile"):
        files.save(replace(opened, text="# Fees\n\nMine."), "ada")


def test_document_with_a_problem_comes_first_and_says_why(room: Room, ada: Account) -> None:
    (room.services.settings.knowledge_dir / "zz.csv").write_text("a,b\n1,2\n")
    act_on_knowledge(room, ada, "look")
    state, files = render_knowledge(room)
    assert files.index("zz.csv has no column question") < files.index("en/cards.csv")
    assert '<div class="bw-figure">1</div><div class="bw-small bw-soft">documents with problems</div>' in state


def test_rebuild_indexes_everything_again_beside_the_page(room: Room, ada: Account) -> None:
    before = room.services.retrieval.index
    act_on_knowledge(room, ada, "rebuild")
    room.services.operations.background.wait(TASK)
    assert room.services.retrieval.index is not before
    assert "passages are indexed anew" in render_knowledge(room)[0]
    assert ("ada", "rebuild", "") in audit(room)


# -- models and settings -----------------------------------------------------------------------------


def test_adapters_show_their_training_and_origin(room: Room) -> None:
    html = render_adapters(room)
    assert html.count(">shipped</span>") == 3
    assert "macro f1" in html
    assert "No adapter" in html
    assert "roll-back" not in html


def test_promoted_adapter_is_rolled_back(room: Room, ada: Account, tmp_path: Path) -> None:
    task = room.services.settings.promoted_dir / "sentiment"
    task.mkdir(parents=True)
    (task / "current").write_text("20250301T101500-3fa94c01\n")
    assert "The next start of the program uses 20250301T101500-3fa94c01" in render_adapters(room)
    assert "the adapter that ships" in act_on_adapter(room, ada, "roll-back sentiment")
    assert (task / "current").read_text() == ""
    assert "The next start" not in render_adapters(room)
    assert audit(room, subject="adapter") == [("ada", "roll back", "sentiment")]
    with pytest.raises(NotFound):
        act_on_adapter(room, ada, "roll-back sentiment")


def test_settings_name_their_origin_and_hide_secrets(room: Room) -> None:
    html = render_settings(room)
    assert "revision-1" in html
    assert "torch" in html
    chosen = html.partition("As they ship")[0]
    assert str(room.services.settings.knowledge_dir) in chosen
    assert "command line" in chosen
