"""How rows are cut into script calls; what the script decides is tested on a real Redis."""

from hypothesis import given
from hypothesis import strategies as st

from feature_repo.online import writer


@given(st.lists(st.integers(1, 1700), max_size=60))
def test_calls_hold_every_row_once_and_bound_their_size(sizes: list[int]) -> None:
    groups = [[(at, row) for row in range(size)] for at, size in enumerate(sizes)]
    calls = list(writer._calls(groups))  # type: ignore[arg-type]  # any items will do
    assert [row for call in calls for part in call for row in part] == [row for group in groups for row in group]
    assert all(0 < sum(map(len, call)) <= writer._CLIENTS_PER_CALL for call in calls)
    assert all(len({at for at, _ in part}) == 1 for call in calls for part in call)
    assert len(calls) <= 2 * (sum(sizes) // writer._CLIENTS_PER_CALL) + 1
