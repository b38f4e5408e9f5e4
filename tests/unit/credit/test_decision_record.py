import struct

from bundles import make_bundle, random_views, small_contract
from decision_records import decision_record
from hypothesis import given
from hypothesis import strategies as st

from credit.bundle.keys import load_public_key, make_key_pair
from credit.bundle.reader import load_bundle
from credit.schemas.decision import DecisionRecord
from credit.scoring import Scorer, recorded_values, replay


@given(st.floats(allow_nan=False), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_bit_for_bit(value, margin):
    record = decision_record().model_copy(update={"values": {"application": {"amount": value}}, "margin": margin})
    again = DecisionRecord.model_validate_json(record.model_dump_json())
    kept = float(again.values["application"]["amount"])
    assert struct.pack("<dd", kept, again.margin) == struct.pack("<dd", value, margin)


def test_an_infinite_value_replays_as_it_was_scored(tmp_path):
    path = make_bundle(tmp_path / "bundle", tmp_path / "keys")
    bundle = load_bundle(path, load_public_key(make_key_pair(tmp_path / "keys").public))
    views = random_views(small_contract(), 1, seed=3)
    views["bureau"].numeric[0] = [-0.0, float("inf")]
    (scored,) = Scorer(bundle).score(views, [100002])
    known = {name: getattr(scored, name) for name in ("margin", "probability", "points", "reasons", "quality")}
    states = {name: decision_record().views["application"] for name in views}
    record = decision_record().model_copy(update={"values": recorded_values(views, 0), "views": states, **known})
    again = replay(DecisionRecord.model_validate_json(record.model_dump_json()), bundle, "en")
    assert {name: getattr(again, name) for name in known} == known
