"""What the operations page works with beyond the services of the product itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.audit import AuditEntry
from app.services.adapters import Adapters
from app.services.background import Background
from app.services.knowledge_files import KnowledgeFiles
from app.storage.operations import OperationsRows


@dataclass(frozen=True)
class Operations:
    """Composed in app.bootstrap_operations. `sources_of_settings` names where each setting's value comes from."""

    rows: OperationsRows
    files: KnowledgeFiles
    adapters: Adapters
    background: Background
    versions: Mapping[str, str]
    sources_of_settings: Mapping[str, str]
    clock: Callable[[], datetime]

    def note(self, by: str, action: str, subject: str, subject_id: str = "") -> None:
        """Record what an administrator set going."""
        self.rows.note(AuditEntry(self.clock(), by, action, subject, subject_id))
