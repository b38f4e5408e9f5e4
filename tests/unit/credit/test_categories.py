from credit.schemas.categories import UNKNOWN, known_categories
from credit.schemas.raw import raw_tables


def test_every_text_column_has_a_vocabulary():
    for name, table in raw_tables().items():
        vocabulary = known_categories().get("application" if name.startswith("application") else name, {})
        assert [column.name for column in table.columns if column.type == "string"] == list(vocabulary)


def test_vocabularies_have_the_sizes_of_the_public_files():
    known = known_categories()
    assert len(known["application"]["ORGANIZATION_TYPE"]) == 58
    assert len(known["application"]["OCCUPATION_TYPE"]) == 18
    assert len(known["bureau"]["CREDIT_TYPE"]) == 15
    previous = known["previous_application"]
    assert len(previous["NAME_CASH_LOAN_PURPOSE"]) == 25
    assert len(previous["NAME_GOODS_CATEGORY"]) == 28
    assert {"XNA", "XAP"} <= set(previous["CODE_REJECT_REASON"])


def test_unknown_is_no_known_value_and_none_repeats():
    for columns in known_categories().values():
        for values in columns.values():
            assert len(set(values)) == len(values)
            assert UNKNOWN not in values
