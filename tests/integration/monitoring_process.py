"""A process that does the monitoring on a database until it is killed: DATABASE_URL SMTP_PORT."""

import sys
import threading
from datetime import UTC, datetime

from app.storage.database import open_database
from tests.monitoring import Monitoring

if __name__ == "__main__":
    url, port = sys.argv[1], int(sys.argv[2])
    parts = Monitoring(open_database(url), lambda: datetime.now(UTC), smtp_port=port, holder=f"port {port}")
    parts.scheduler.start()
    threading.Event().wait()
