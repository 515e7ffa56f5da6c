"""The list of all views. A new projection is one file and one line here."""

from __future__ import annotations

from datmo.core.schemas import CURRENT, UPCASTERS
from datmo.eventlog.upcast import Schemas
from datmo.projections.config import CONFIG
from datmo.projections.content import CODE, ENVIRONMENTS, FILES
from datmo.projections.metrics import METRICS
from datmo.projections.project import PROJECT
from datmo.projections.sessions import SESSIONS
from datmo.projections.snapshots import SNAPSHOTS
from datmo.projections.tasks import OUTPUT, TASKS
from datmo.projections.views import Views

__all__ = ["SCHEMAS", "VIEWS"]

SCHEMAS = Schemas(CURRENT, UPCASTERS)
VIEWS = Views([PROJECT, SESSIONS, SNAPSHOTS, TASKS, OUTPUT, METRICS, ENVIRONMENTS, CODE, FILES, CONFIG], SCHEMAS)
