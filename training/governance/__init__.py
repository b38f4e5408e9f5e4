"""Who decides which model decides: promotion through the gates, the way back, and a record of every attempt."""

from training.governance.history import Entry, history
from training.governance.promotion import Promotion, promote
from training.governance.records import Record
from training.governance.rollback import Rollback, rollback

__all__ = ["Entry", "Promotion", "Record", "Rollback", "history", "promote", "rollback"]
