"""The channels of a session: subscribe, go on after an interruption, drop what came twice, notice holes. Pure.

For each channel at most one command is under way, so answers may come in any order. What comes of a channel while its
subscription is not confirmed belongs to an older one and is not used: it comes again, after the position.
"""

from __future__ import annotations

from typing import Any

from plumbline.streaming.client import wire
from plumbline.streaming.client.actions import Emit, End, Full, Live
from plumbline.streaming.client.backoff import delay_s
from plumbline.streaming.client.desk import Desk, Key
from plumbline.streaming.client.errors import ClientError, RefusedError
from plumbline.streaming.client.events import Joined, Left, Message
from plumbline.streaming.client.track import ANEW, Fate, Phase, Track
from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.commands import Mode

FULL = "too-many-subscriptions"
FOR_NOW = frozenset({"unavailable", "rate-limited"})
"""Errors after which the same request may succeed."""


def for_now(error: dict[str, Any]) -> bool:
    """Say whether the gateway refused only for now."""
    return error.get("code") in FOR_NOW or error.get("retry_after_s") is not None


def refusal(error: dict[str, Any]) -> RefusedError:
    """Return the gateway's error as an exception."""
    after = error.get("retry_after_s")
    seconds = float(after) if isinstance(after, int | float) else None
    return RefusedError(str(error.get("code", "unknown")), str(error.get("message", "no reason given")), seconds)


class Reading:
    """The channels of one session.

    Args:
        desk: Where actions and commands are laid down.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tracks: dict[str, Track] = {}
        self._asked: dict[int, Track] = {}  # by the id of the command under way

    def __len__(self) -> int:
        return len(self._tracks)

    def track(self, channel: str) -> Track | None:
        """Return the channel's state, if it is wanted."""
        track = self._tracks.get(channel)
        return track if track is not None and track.wanted else None

    def subscribe(self, track: Track, now: float) -> None:
        """Read this channel; if the last subscription to it is not over yet, as soon as it is."""
        before = self._tracks.get(track.channel)
        self._tracks[track.channel] = track
        if before is None or before.phase in (Phase.IDLE, Phase.HOLDING):
            self._ask(track, now)
            return
        track.phase, track.request, track.redo = before.phase, before.request, True
        if track.request in self._asked:
            self._asked[track.request] = track
        if before.phase is Phase.LIVE:
            self._leave(track, now)

    def unsubscribe(self, channel: str, now: float) -> None:
        """Read it no more."""
        track = self._tracks[channel]
        track.wanted = False
        if track.phase is Phase.LIVE:
            self._leave(track, now)
        elif track.phase in (Phase.IDLE, Phase.HOLDING):
            del self._tracks[channel]

    def change(self, channel: str, mode: Mode, now: float, *, join: bool) -> None:
        """Read it in another way, and go on where it stands."""
        track = self._tracks[channel]
        track.mode, track.join = mode, join
        if track.phase is Phase.LIVE:
            self._leave(track, now)
        elif track.phase is Phase.ASKING:
            track.redo = True

    def greeted(self, now: float) -> None:
        """Subscribe to everything on a new connection."""
        for track in self._tracks.values():
            self._ask(track, now)

    def disconnected(self) -> None:
        """Note that the connection is gone: positions stay."""
        self._asked.clear()
        for channel, track in list(self._tracks.items()):
            track.disconnected()
            if not track.wanted:
                del self._tracks[channel]

    def close(self, error: ClientError) -> None:
        """End all subscriptions."""
        self._asked.clear()
        tracks, self._tracks = self._tracks, {}
        self._desk.actions.extend(End(track.channel, error) for track in tracks.values() if track.wanted)

    def message(self, channel: Any, offset: Any, data: Any, now: float) -> None:
        """Take in a published message."""
        track = self._tracks.get(channel)
        counts = self._desk.counts
        if track is None or track.phase is not Phase.LIVE or track.position is None:
            counts.strays += 1
            return
        if not isinstance(offset, int):
            raise wire.WireError("the gateway sent a message whose offset is no number")
        fate = track.fate(offset)
        if fate is Fate.NEXT:
            track.position = Position(track.position.epoch, offset)
            counts.messages += 1
            self._desk.actions.append(Emit(channel, Message(channel, track.position, data)))
        elif fate is Fate.DUPLICATE:
            counts.duplicates += 1
        else:
            counts.holes += 1
            self._leave(track, now)
            track.retry_at = now  # not at once: see `_left`

    def presence(self, channel: Any, told: dict[str, Any]) -> None:
        """Take in that somebody came or went."""
        track = self._tracks.get(channel)
        if track is None or track.phase is not Phase.LIVE or not track.join:
            return
        if "joined" in told:
            self._desk.actions.append(Emit(channel, Joined(channel, wire.member(told["joined"]))))
        else:
            self._desk.actions.append(Emit(channel, Left(channel, wire.member(told["left"]))))

    def ended(self, channel: Any, told: Any, now: float) -> None:
        """Take in that the gateway ended a subscription; one that it says to take up again goes on by position."""
        track = self._tracks.get(channel)
        if track is None or track.phase is not Phase.LIVE or not isinstance(told, dict):
            return
        self._desk.counts.ended += 1
        if told.get("again") is True:
            self._hold(track, now)
        else:
            self._over(track, refusal(told))

    def answered(self, request: int, told: dict[str, Any], now: float) -> bool:
        """Take in the answer to a command of ours; False if it is not one."""
        track = self._asked.pop(request, None)
        if track is None:
            return False
        track.request = 0
        error = told.get("error")
        if track.phase is Phase.LEAVING:
            self._left(track, error, now)
        elif isinstance(error, dict):
            self._refused(track, error, now)
        else:
            self._confirmed(track, told, now)
        return True

    def woken(self, key: Key, now: float) -> bool:
        """Do what the time has come for; False if a command was not answered in time."""
        kind, what = key
        if kind == "command":
            return what not in self._asked
        track = self._tracks.get(str(what))
        if track is None or track.request:
            return True
        if kind == "hold" and track.phase is Phase.HOLDING and (track.retry_at or 0.0) <= now:
            self._ask(track, now)
        elif kind == "leave" and track.phase is Phase.LEAVING:
            self._leave(track, now)
        return True

    def _ask(self, track: Track, now: float) -> None:
        track.phase = Phase.IDLE
        track.retry_at = None
        if not self._desk.greeted:
            return
        mode = track.mode.value if track.mode is Mode.LATEST else None
        more = {"since": track.position, "mode": mode, "join": track.join or None}
        self._command(track, Phase.ASKING, "subscribe", more, now)

    def _leave(self, track: Track, now: float) -> None:
        self._command(track, Phase.LEAVING, "unsubscribe", {}, now)

    def _command(self, track: Track, phase: Phase, verb: str, more: dict[str, Any], now: float) -> None:
        track.phase = phase
        track.redo = False
        track.request = self._desk.next_id()
        self._asked[track.request] = track
        self._desk.say(wire.command(track.request, verb, track.channel, **more))
        self._desk.wake_at(now + self._desk.request_timeout_s, ("command", track.request))

    def _confirmed(self, track: Track, told: dict[str, Any], now: float) -> None:
        if not track.wanted or track.redo:
            self._leave(track, now)
            return
        resumes, recovered = track.position is not None, told.get("recovered")
        gap = track.resumed(wire.position(told), recovered, now)
        if resumes:
            self._desk.counts.recovered += gap is None
            self._desk.counts.gaps += gap is not None
        position = track.position or wire.position(told)
        self._desk.actions.append(Live(track.channel, position, gap is None if resumes else None))
        if gap is not None:
            self._desk.actions.append(Emit(track.channel, gap))

    def _refused(self, track: Track, error: dict[str, Any], now: float) -> None:
        if not track.wanted:
            self._tracks.pop(track.channel, None)
        elif error.get("code") == FULL:
            del self._tracks[track.channel]
            track.disconnected()
            self._desk.actions.append(Full(track, len(self._tracks)))
        elif for_now(error):
            self._hold(track, now, refusal(error).retry_after_s or 0.0)
        else:
            self._over(track, refusal(error))

    def _left(self, track: Track, error: Any, now: float) -> None:
        """Go on after an unsubscription; an error that will stay says that the subscription was over already."""
        if isinstance(error, dict) and for_now(error):
            later = now + (refusal(error).retry_after_s or 0.0) + delay_s(0, ANEW, self._desk.rng)
            self._desk.wake_at(later, ("leave", track.channel))
        elif not track.wanted:
            self._tracks.pop(track.channel, None)
        elif track.retry_at is not None:
            self._hold(track, now)
        else:
            self._ask(track, now)

    def _hold(self, track: Track, now: float, at_least_s: float = 0.0) -> None:
        self._desk.wake_at(track.hold(now, self._desk.rng, at_least_s), ("hold", track.channel))

    def _over(self, track: Track, error: ClientError) -> None:
        del self._tracks[track.channel]
        self._desk.actions.append(End(track.channel, error))
