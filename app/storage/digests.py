"""What a digest asks of the database besides articles."""

from datetime import datetime

from sqlalchemy import select

from app.storage.database import Database
from app.storage.tables import AlertRow


class DigestFigures:
    """Alerts of a period."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def alert_ids(self, begin: datetime, end: datetime) -> list[int]:
        """Ids of the alerts detected from `begin` on and before `end`, in that order; not the sample's."""
        query = select(AlertRow.id).where(
            AlertRow.detected_at >= begin, AlertRow.detected_at < end, AlertRow.sample.is_(False)
        )
        with self._database.reading() as session:
            return list(session.scalars(query.order_by(AlertRow.detected_at, AlertRow.id)))
