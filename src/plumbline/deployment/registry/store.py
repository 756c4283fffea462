"""The registry: versions, aliases, leases and files of models, in a folder or in Postgres."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.manifest import Manifest
from plumbline.deployment.registry import aliases, leases, registering, retention, signatures, signing
from plumbline.deployment.registry.aliases import Moved, Wish
from plumbline.deployment.registry.blobs import Blobs
from plumbline.deployment.registry.database import Database
from plumbline.deployment.registry.judging import Looking, unpacked
from plumbline.deployment.registry.leases import Lease
from plumbline.deployment.registry.names import alias_name, model_name
from plumbline.deployment.registry.reading import Reader
from plumbline.deployment.registry.records import Registered
from plumbline.deployment.registry.retention import WEEK_S, Collected, Rule

MAX_TTL_S = 3600.0
"""Longest lease, in seconds: longer than this nobody should wait for a deployer that died."""


class Registry(Reader):
    """Versions of models by behaviour, files by digest, aliases by compare-and-set.

    Threads and processes may use one registry side by side. Make it by `Registry.open`.

    Args:
        database: Where it remembers.
        blobs: Where the files are.
        clock: Unix time in seconds.
    """

    @classmethod
    def open(
        cls,
        url: str | Path,
        blobs: Path | None = None,
        *,
        read_only: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> Registry:
        """Open a registry; one that is not there yet is made, an old one brought up to date.

        Args:
            url: A folder (SQLite and files), or `postgresql://…`.
            blobs: Folder of the files; needed with Postgres, `<folder>/blobs` otherwise.
            read_only: Change nothing.
            clock: Unix time in seconds.

        Raises:
            InvalidError: No such kind of database, no folder for the files, or a newer schema.
            UnavailableError: It cannot be reached or opened.
        """
        if blobs is None:
            if "://" in str(url):
                raise InvalidError("a registry in Postgres keeps its files in a folder: name it (--blobs DIR)")
            blobs = Path(url).expanduser() / "blobs"
        return cls(Database(str(url), read_only=read_only), Blobs(blobs), clock)

    def register(
        self,
        manifest: Manifest,
        files: Mapping[str, Path],
        *,
        claim: str | None = None,
        by: str,
        looking: Looking | None = None,
    ) -> Registered:
        """Store a version and compute its number from how it behaves beside the highest one there is.

        The same manifest again gives the same version, also when its files had been collected: they are back then.

        Args:
            manifest: All of the version but its number; `names.described` makes its `files`.
            files: Where each of them lies, by its path in the manifest.
            claim: The author's number; at least what the change asks for.
            by: Who registers it.
            looking: How models are loaded and compared; None for `plumbline.deployment.models`.

        Raises:
            InvalidError: Manifest and files do not belong together, or a file is empty or a Git LFS pointer.
            UntrustedError: A file is a pickle.
            CorruptError: A file is not the one that the manifest names.
            ClaimError: The claim is too low.
            ConflictError: This very artefact has another number than the claim.
            DeploymentError: The model cannot be loaded.
            FullError: The disk is full.
            UnavailableError: The registry cannot be written.
        """
        offer = registering.Offer(manifest, files, claim, by, self._clock())
        return registering.register(self.database, self.blobs, offer, looking or Looking())

    def move(
        self,
        model: str,
        alias: str,
        *,
        to: str | None,
        expect: str | None,
        by: str,
        why: str,
        epoch: int | None = None,
    ) -> Moved:
        """Point an alias at another version, if it points where you believe: of several movers exactly one wins.

        Args:
            model: The model's name.
            alias: The alias.
            to: Reference of the version it shall point at; None takes it away.
            expect: Version that it must point at now; None: it must not exist.
            by: Who moves it.
            why: The reason, for the history.
            epoch: Of the mover's lease; None for a move by hand.

        Raises:
            ConflictError: It points elsewhere; the sentence says who moved it, when and why.
            FencedError: Another deployer has taken over.
            NotFoundError: There is no such version, or its files were collected.
            InvalidError: A name, `by` or `why` is empty, or the alias' name is none.
        """
        wish = Wish(alias_name(alias), expect, _said("by", by), _said("why", why), epoch)
        with self.database.writing() as connection:
            if epoch is not None:
                leases.current(connection, model, epoch)
            return aliases.move(connection, model, to, wish, self._clock())

    def lease(self, model: str, holder: str, ttl_s: float, *, take_over: bool = False) -> Lease:
        """Take the right to deploy a model. Each lease has a higher epoch than all before it.

        Args:
            model: The model's name.
            holder: Names one deployment: the same holder gets it anew at once, with a new epoch.
            ttl_s: How long it runs without being renewed, in seconds, at most `MAX_TTL_S`.
            take_over: Take it although another's is running: their epoch is refused from then on.

        Raises:
            ConflictError: Another holder's lease is running.
            InvalidError: A name is none, or the time is.
        """
        term = self._term(ttl_s)
        model_name(model)
        with self.database.writing() as connection:
            return leases.lease(connection, model, _said("holder", holder), term, take_over=take_over)

    def renew(self, lease: Lease, ttl_s: float) -> Lease:
        """Let a lease run for another `ttl_s` seconds from now.

        Raises:
            FencedError: Another has taken it.
        """
        term = self._term(ttl_s)
        with self.database.writing() as connection:
            return leases.prolong(connection, lease, term)

    def release(self, lease: Lease) -> bool:
        """Give a lease back; its epoch is never given again. Returns False if another had taken it."""
        with self.database.writing() as connection:
            return leases.release(connection, lease)

    def collect(self, *, keep_promoted: int, younger_than_s: float = WEEK_S, dry_run: bool = False) -> Collected:
        """Delete the files of versions that nobody needs; what is known of them stays.

        Never those that an alias points at, the last `keep_promoted` that each alias pointed at, a model's highest
        version, those registered in the last `younger_than_s` seconds, and nothing of a model that is being deployed.

        Raises:
            InvalidError: `keep_promoted` is less than 1: there would be no way back.
        """
        if keep_promoted < 1 or younger_than_s < 0:
            raise InvalidError("keep_promoted is at least 1 and younger_than_s at least 0: there must be a way back")
        rule = Rule(keep_promoted, younger_than_s)
        return retention.collect(self.database, self.blobs, rule, self._clock(), dry_run=dry_run)

    def sign(self, model: str, ref: str, private: Path, *, by: str) -> str:
        """Sign a version (OpenSSF model signing) and return the digest of the public key.

        Args:
            model: The model's name.
            ref: As for `get`.
            private: Key on the curve P-256, PEM, without a password.
            by: Who signs it.

        Raises:
            InvalidError: The key cannot be used.
            NotFoundError: There is no such version.
            CorruptError: A file was altered: nobody should vouch for it.
        """
        one = self.get(model, ref)
        with unpacked(lambda path: self.materialise(model, one.version, path)) as folder:
            made = signing.sign(folder, private)
        with self.database.writing() as connection:
            signatures.add(connection, (model, one.version), made, _said("by", by), self._clock())
        return made.key

    def _term(self, ttl_s: float) -> tuple[float, float]:
        if not 0 < ttl_s <= MAX_TTL_S:
            raise InvalidError(f"a lease runs for more than 0 and at most {MAX_TTL_S:g} s, not {ttl_s:g}", ttl_s=ttl_s)
        now = self._clock()
        return now, now + ttl_s


def _said(field: str, text: str) -> str:
    if not text.strip():
        raise InvalidError(f"'{field}' is empty: the history must say it", field=field)
    return text
