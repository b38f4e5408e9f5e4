"""Where a model comes from: data, features, settings, code."""

from itertools import zip_longest

from training.model_card.facts import CardFacts, Section, table

_PARTS = {
    "train": "learned from",
    "validation": "tells the number of trees, then learned from",
    "calibration": "calibration, and the check of the threshold",
    "test": "judges, and nothing else",
    "left_out": "older applications of persons in the test: used for nothing",
}
_STRONGEST = 6


def data(facts: CardFacts) -> Section:
    """Window, labels, split."""
    origin = facts.bundle.manifest.provenance
    sample = "all labelled clients" if origin.sample is None else f"a seeded sample of about {origin.sample:,} clients"
    rows = [[name.replace("_", " "), f"{count:,}", _PARTS.get(name, "")] for name, count in origin.rows.items()]
    text = f"""Applications from {origin.data_from:%Y-%m-%d} to {origin.data_until:%Y-%m-%d}, {sample}. A label is the
outcome of an application; it counts once its delay has passed, at {origin.known_until:%Y-%m-%d} the latest. Features
are as they were known just before each application.

The newest applications, from {origin.test_from:%Y-%m-%d} on, are the test. Older ones are parted by a hash of the
person, so that nobody is in two parts.

{table(["part", "applications", " purpose"], rows)}"""
    return Section("Data", text)


def features(facts: CardFacts) -> Section:
    """Features by view, and the constraints on them."""
    bundle = facts.bundle
    views: dict[str, list[str]] = {}
    for feature in bundle.contract.features:
        views.setdefault(feature.view or "computed at the request", []).append(feature.name)
    place = {name: at for at, name in enumerate(bundle.importance)}
    rows = [
        [view, f"{len(names)}", ", ".join(_code(sorted(names, key=lambda name: place.get(name, len(place)))))]
        for view, names in views.items()
    ]
    strongest = ", ".join(_code(list(bundle.importance)))
    text = f"""{len(bundle.contract.features)} features of `{bundle.contract.service}`. Protected attributes and their
proxies are excluded. Strongest of all: {strongest}.

{table(["view", "features", " strongest first"], rows)}"""
    return Section("Features", text + _constraints(facts))


def settings(facts: CardFacts) -> Section:
    """What shaped the model."""
    bundle = facts.bundle
    recipe = bundle.manifest.provenance.settings
    cells = [[name.replace("_", " "), str(value)] for name, value in sorted(recipe.items())]
    half = (len(cells) + 1) // 2
    # Two settings to a line: the list is long.
    rows = [left + right for left, right in zip_longest(cells[:half], cells[half:], fillvalue=["", ""])]
    text = f"Gradient-boosted trees (LightGBM), {bundle.trees} of them, without class weights."
    return Section("Model", f"{text}\n\n{table(['setting', ' value', ' setting', ' value'], rows)}" if rows else text)


def provenance(facts: CardFacts) -> Section:
    """What rebuilds it."""
    origin = facts.bundle.manifest.provenance
    rows = [
        ["code", f"`{origin.git_revision}`"],
        ["data set, SHA-256", f"`{origin.dataset_sha256}`"],
        ["seed", str(origin.seed)],
        ["trained", f"{origin.created:%Y-%m-%d %H:%M} UTC"],
        *([name, version] for name, version in origin.libraries.items()),
    ]
    if facts.bundle.bundle_id:
        rows.insert(0, ["bundle", f"`{facts.bundle.bundle_id}`"])
    rebuild = f"`creditctl models rebuild {facts.version or 'VERSION'} --fit`"
    text = f"""{table(["", " value"], rows)}

{rebuild} joins the data and fits the trees again, and compares both with what is
registered."""
    return Section("Provenance", text)


def _constraints(facts: CardFacts) -> str:
    if facts.monotone is None:
        return ""
    held: dict[tuple[str, str], list[str]] = {}
    for name in facts.bundle.contract.names:
        if (one := facts.monotone.get(name)) is not None:
            held.setdefault((one.direction, one.why), []).append(f"`{name}`")
    if not held:
        return "\n\nNo feature is held to one direction."
    rows = [[", ".join(names), f"risk {direction}", why] for (direction, why), names in held.items()]
    head = ["features", " with a larger value", " why"]
    return f"\n\nThe trees may move the risk in one direction only for:\n\n{table(head, rows)}"


def _code(names: list[str]) -> list[str]:
    return [f"`{name}`" for name in names[:_STRONGEST]]
