"""Promotion: a challenger becomes champion if every gate passes, or if somebody answers for it."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from credit.bundle.bundle import Bundle
from credit.errors import BundleError, GateRefusedError, RegistryError, SettingsError
from training.gates import GateReport, GateSettings, judge
from training.gates.report import Gate
from training.gates.schema import StoreContract
from training.governance.champion_move import move_champion
from training.governance.records import Attempt, Journal
from training.registry import CHALLENGER, Registry, Version
from training.unseen import Unseen


@dataclass(frozen=True, slots=True)
class Promotion:
    """What was done: version `version` decides now, `replaced` did before."""

    version: str
    replaced: str | None
    forced: bool
    report: GateReport
    record: str


def promote(
    registry: Registry,
    version: str,
    challenger: Bundle,
    unseen: Unseen,
    store_contract: StoreContract,
    settings: GateSettings,
    *,
    public_key: Ed25519PublicKey,
    who: str,
    why: str,
    force: bool = False,
) -> Promotion:
    """Judge the challenger against the champion, and let it decide if every gate passes.

    Args:
        registry: holds both.
        version: number of the challenger.
        challenger: its verified bundle.
        unseen: the challenger's out-of-time test, with the features of both models.
        store_contract: what its feature service delivers as registered.
        settings: limits of the gates.
        public_key: verifies the champion.
        who: answers for it.
        why: kept on record; needed with `force`.
        force: promote although a gate refuses.

    Raises:
        GateRefusedError: a gate refuses; names each with what was found. The attempt is on record, no alias moved.
        SettingsError: `force` without a reason.
        RegistryError: MLflow cannot be reached, the version is the champion already or another bundle, or the champion
            changed meanwhile.
        BundleError: the champion cannot be loaded, and there is no `force`.
    """
    check_reason(force, why)
    wanted, champion = registry.version(version), registry.champion()
    check_candidate(wanted, champion)
    if wanted.tags.get("bundle_id", challenger.bundle_id) != challenger.bundle_id:
        raise RegistryError(f"version {version} is registered with another bundle than was loaded: load it again")
    opponent, obstacle = load_opponent(registry, champion, public_key, force=force)
    report = judge_version(registry, wanted, challenger, opponent, unseen, store_contract, settings, obstacle)
    attempt = Attempt(
        action="promoted" if report.passed else "forced" if force else "refused",
        from_version=champion.version if champion else None,
        to_version=wanted.version,
        who=who,
        why=why,
        verdict="passed" if report.passed else "refused",
        failed_gates=tuple(gate.name for gate in report.failed),
    )
    if not attempt.moves:
        _refuse(registry, attempt, report)
    record = move_champion(registry, attempt, report)
    _retire_challenger(registry, wanted)
    return Promotion(wanted.version, attempt.from_version, attempt.action == "forced", report, record)


def check_reason(force: bool, why: str) -> None:
    """Refuse force without a reason.

    Raises:
        SettingsError: say why.
    """
    if force and not why.strip():
        raise SettingsError("a forced promotion needs a reason: --why")


def check_candidate(version: Version, champion: Version | None) -> None:
    """Refuse to promote what decides already.

    Raises:
        RegistryError: it is the champion.
    """
    if champion is not None and champion.version == version.version:
        raise RegistryError(f"version {version.version} is the champion already")


def judge_version(
    registry: Registry,
    version: Version,
    challenger: Bundle,
    champion: Bundle | None,
    unseen: Unseen,
    store_contract: StoreContract,
    settings: GateSettings,
    obstacle: Gate | None = None,
) -> GateReport:
    """Judge a registered version, and leave figures and verdict with its training run.

    `obstacle` is the gate that refuses where the champion could not be loaded.
    """
    report = judge(challenger, champion, unseen, store_contract, settings)
    if obstacle is not None:
        report = report.model_copy(update={"gates": (*report.gates, obstacle)})
    if version.run_id:
        Journal(registry.connection).annotate(version.run_id, report)
    return report


def load_champion(registry: Registry, champion: Version | None, public_key: Ed25519PublicKey) -> Bundle | None:
    """The champion's verified bundle.

    Raises:
        BundleError: it cannot be loaded; says how to go on.
    """
    if champion is None:
        return None
    try:
        return registry.load(champion.version, public_key)
    except BundleError as error:
        raise BundleError(
            f"the champion, version {champion.version}, cannot be loaded, so that nothing can be compared with it: "
            f"{error}; go back to the version before with `creditctl models rollback`, or promote another one with "
            "`--force --why ...`"
        ) from error


def load_opponent(
    registry: Registry, champion: Version | None, public_key: Ed25519PublicKey, *, force: bool
) -> tuple[Bundle | None, Gate | None]:
    """The champion to compare with. With `force`, one that cannot be loaded is a gate that refuses instead.

    So a champion that a new version of the platform no longer reads does not bar the way to its successor.

    Raises:
        BundleError: it cannot be loaded, and there is no `force`.
    """
    try:
        return load_champion(registry, champion, public_key), None
    except BundleError as error:
        if not force:
            raise
        return None, Gate(name="champion", passed=False, sentence=str(error))


def refusal(report: GateReport) -> str:
    """Every gate that refuses, with what was found."""
    return "\n".join(f"  - {gate.name}: {gate.sentence}" for gate in report.failed)


def _refuse(registry: Registry, attempt: Attempt, report: GateReport) -> None:
    journal = Journal(registry.connection)
    journal.close(journal.open(attempt, report))
    raise GateRefusedError(
        f"version {attempt.to_version} was not promoted, {len(report.failed)} of {len(report.gates)} gates refuse:\n"
        f"{refusal(report)}\nTrain a better one, or answer for it: `creditctl models promote {attempt.to_version} "
        "--force --why ...`"
    )


def _retire_challenger(registry: Registry, promoted: Version) -> None:
    challenger = registry.holder(CHALLENGER)
    if challenger is not None and challenger.version == promoted.version:
        registry.remove_alias(CHALLENGER)
