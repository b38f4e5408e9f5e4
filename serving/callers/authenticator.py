"""How callers prove who they are, as the settings choose it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from credit.errors import SettingsError
from serving.callers.api_keys import KeyRing, key_ring
from serving.callers.credentials import Credential, credential_of
from serving.callers.followed import FileSource, Followed, UrlSource
from serving.callers.identity import CredentialError, Identity
from serving.callers.settings import CallerSettings
from serving.callers.signing_keys import SigningKeyFinder, SigningKeys, signing_keys
from serving.callers.tokens import TokenRules, TokenVerifier

_KEY_FILE_SECONDS = 1.0


class Authenticator:
    """Tells whose credential a request shows.

    Args:
        settings: what is accepted.

    Raises:
        SettingsError: a file of keys cannot be read or is malformed. An address that does not answer is no reason not
            to start: it may come back.
    """

    def __init__(self, settings: CallerSettings) -> None:
        self.takes_keys = settings.takes_keys
        self.takes_tokens = settings.takes_tokens
        self._api_keys = _api_keys(settings) if settings.takes_keys else None
        self._signing_keys = _signing_keys(settings) if settings.takes_tokens else None
        self._tokens = None if self._signing_keys is None else _verifier(settings, self._signing_keys)

    def start(self) -> None:
        """Follow the keys' changes."""
        for keys in (self._api_keys, self._signing_keys):
            if keys is not None:
                keys.start()

    def close(self) -> None:
        """Follow them no more."""
        for keys in (self._api_keys, self._signing_keys):
            if keys is not None:
                keys.stop()

    async def identity(self, authorization: Sequence[str], api_key: Sequence[str]) -> Identity:
        """Whose credential is in these values of the two headers.

        Raises:
            CredentialError: nobody's.
            SigningKeysUnavailableError: a token cannot be checked yet.
        """
        credential = credential_of(authorization, api_key)
        if credential.kind == "token":
            return await self._of_token(credential)
        if self._api_keys is None or self._api_keys.value is None:
            raise CredentialError("not_accepted", "API keys are not accepted here: send a token")
        return self._api_keys.value.identity(credential.text, datetime.now(UTC))

    async def _of_token(self, credential: Credential) -> Identity:
        if self._tokens is None:
            raise CredentialError("not_accepted", "tokens are not accepted here: send an API key")
        return await self._tokens.identity(credential.text)


def _api_keys(settings: CallerSettings) -> Followed[KeyRing]:
    keys = Followed(FileSource(settings.api_keys_path), key_ring, "API keys", _KEY_FILE_SECONDS)
    try:
        keys.load()
    except SettingsError as error:
        raise SettingsError(f"{error}; make a key with `creditctl keys create`") from None
    return keys


def _signing_keys(settings: CallerSettings) -> Followed[SigningKeys]:
    assert settings.jwt_keys is not None
    if "://" in settings.jwt_keys:
        return Followed(UrlSource(settings.jwt_keys), signing_keys, "signing keys", settings.jwt_refresh_seconds)
    keys = Followed(FileSource(Path(settings.jwt_keys)), signing_keys, "signing keys", _KEY_FILE_SECONDS)
    keys.load()
    return keys


def _verifier(settings: CallerSettings, keys: Followed[SigningKeys]) -> TokenVerifier:
    assert settings.jwt_issuer is not None
    assert settings.jwt_audience is not None
    rules = TokenRules(
        settings.jwt_issuer, settings.jwt_audience, settings.jwt_scope_claim, settings.jwt_leeway_seconds
    )
    return TokenVerifier(SigningKeyFinder(keys, settings.jwt_refetch_seconds), rules)
