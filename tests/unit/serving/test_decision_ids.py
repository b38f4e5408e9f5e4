import uuid

from hypothesis import given
from hypothesis import strategies as st

from serving.decision_ids import decision_id

MOMENTS = st.integers(min_value=0, max_value=(2**47) * 1_000_000)  # up to the year 6429


@given(MOMENTS)
def test_ids_are_uuids_of_version_7(now_ns):
    made = uuid.UUID(decision_id(lambda: now_ns))
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == now_ns // 1_000_000


@given(MOMENTS, st.integers(min_value=250, max_value=10**15))
def test_ids_sort_by_time(now_ns, later):
    assert decision_id(lambda: now_ns) < decision_id(lambda: now_ns + later)


def test_ids_of_one_moment_differ():
    assert len({decision_id(lambda: 1) for _ in range(100)}) == 100
