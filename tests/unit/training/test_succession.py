"""The history against a simulated registry: whatever is promoted, refused, rolled back or cut short, in any order."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from training.governance.history import settle, succession
from training.governance.records import Record

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["promoted", "forced", "refused", "rolled_back"]),
        st.integers(1, 5).map(str),
        st.sampled_from(["closed", "cut before the move", "cut after the move", "failed"]),
    ),
    max_size=15,
)


class Simulated:
    """What truly happened: the champions in line, and the records with their outcomes."""

    def __init__(self) -> None:
        self.line: list[str] = []
        self.records: list[Record] = []
        self.outcomes: list[str] = []

    @property
    def champion(self) -> str | None:
        return self.line[-1] if self.line else None

    def attempt(self, action: str, version: str, ending: str) -> None:
        if action == "rolled_back":
            if len(self.line) < 2:
                return
            version = self.line[-2]
        elif version == self.champion:
            return
        self._record(action, version, ending)
        if action == "refused":
            self.outcomes.append("refused")
        elif ending in ("closed", "cut after the move"):
            self.outcomes.append("done")
            self.line = self.line[:-1] if action == "rolled_back" else [*self.line, version]
        else:
            self.outcomes.append("failed" if ending == "failed" else "interrupted")

    def _record(self, action: str, version: str, ending: str) -> None:
        status = {"closed": "FINISHED", "failed": "FAILED"}.get(ending, "RUNNING")
        self.records.append(
            Record(
                action=action,
                from_version=self.champion,
                to_version=version,
                who="ada",
                why="",
                verdict="not judged",
                run_id=str(len(self.records)),
                opened=datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=len(self.records)),
                status=status,
            )
        )


@given(STEPS)
def test_the_records_tell_what_came_of_every_attempt_and_who_was_champion(steps):
    world = Simulated()
    for step in steps:
        world.attempt(*step)
    entries = settle(world.records, world.champion)
    assert [entry.outcome for entry in entries] == world.outcomes
    if world.champion is not None:
        assert succession(entries, world.champion) == world.line


def test_a_champion_set_by_hand_comes_after_those_on_record():
    world = Simulated()
    world.attempt("promoted", "1", "closed")
    world.attempt("promoted", "2", "closed")
    entries = settle(world.records, "7")
    assert succession(entries, "7") == ["1", "2", "7"]
    assert succession(entries, "1") == ["1"]
    assert succession([], "7") == ["7"]
