"""What the operations page stands on: real storage, a knowledge folder, one job, an embedder of eight numbers."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from app.bootstrap_operations import build_operations
from app.config import load_settings
from app.integrations.documents import read_folder
from app.scheduling import Job, JobScheduler
from app.services.accounts import AccountService
from app.services.api_keys import ApiKeys
from app.services.indexing import build_index
from app.services.retrieval import KnowledgeKeeper, Retrieval
from app.storage.accounts import Accounts
from app.storage.api_keys import StoredApiKeys
from app.storage.database import Database
from app.storage.jobs import JobRuns, Leases, PausedJobs
from tests.fakes import ManualClock
from tests.knowledge import write_knowledge


class LetterEmbedder:
    """Texts by how often some letters are in them."""

    name = "letters"

    def embed_passages(self, texts: Sequence[str], priority: object = None) -> Any:
        counts = np.array([[text.lower().count(c) for c in "aeiourst"] for text in texts], np.float32) + 0.01
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    embed_questions = embed_passages


def operations_services(database: Database, folder: Path, clock: ManualClock) -> Any:
    """`jobs_run` tells what the jobs did; 'ada' is an administrator."""
    settings = load_settings(data_dir=folder / "data", knowledge_dir=write_knowledge(folder / "knowledge"))
    settings.data_dir.mkdir()
    embedder, jobs_run, job_runs = LetterEmbedder(), [], JobRuns(database)
    index, _ = build_index(
        settings.knowledge_dir, settings.effective_index_dir, embedder, read_folder, lambda *_: None
    )
    retrieval = Retrieval(index, embedder, clock=clock)

    def retention() -> tuple[dict[str, int], str]:
        jobs_run.append("retention")
        return {"articles": 12_000, "pages": 0}, ""

    jobs = {"retention": Job(retention)}
    accounts = AccountService(Accounts(database), clock)
    accounts.create_account("ada", "correct horse battery", "administrator")
    return SimpleNamespace(
        settings=settings,
        accounts=accounts,
        api_keys=ApiKeys(StoredApiKeys(database), clock),
        scheduler=JobScheduler(jobs, Leases(database), job_runs, PausedJobs(database), clock, uuid.uuid4().hex),
        job_runs=job_runs,
        knowledge=KnowledgeKeeper(retrieval, settings.knowledge_dir, settings.effective_index_dir, read_folder),
        retrieval=retrieval,
        operations=build_operations(settings, database, "revision-1", clock),
        jobs_run=jobs_run,
    )
