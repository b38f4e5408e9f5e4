from pathlib import Path

import pytest

from credit.errors import FeatureError
from feature_repo.catalogue import load_catalogue
from feature_repo.catalogue.reference import reference_page
from feature_repo.cli.features import docs

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "features.md"


def test_the_committed_page_is_up_to_date():
    docs(out=PAGE, check=True)


def test_every_feature_is_on_the_page():
    page = reference_page(load_catalogue())
    assert all(f"| `{feature.name}` |" in page for view in load_catalogue().views for feature in view.features)


def test_check_fails_when_the_page_differs_and_writes_nothing(tmp_path):
    page = tmp_path / "features.md"
    with pytest.raises(FeatureError, match="run `creditctl features docs`"):
        docs(out=page, check=True)
    assert not page.exists()
    docs(out=page)
    docs(out=page, check=True)
    page.write_text(page.read_text() + "x")
    with pytest.raises(FeatureError, match="out of date"):
        docs(out=page, check=True)
