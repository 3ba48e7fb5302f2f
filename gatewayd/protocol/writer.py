"""THE state machine: parts -> Anthropic events. Everything that decides which event may follow which lives here.

                    Text            Thinking        ToolCall        finish            fail
    NEW             -> message_start, then as IDLE                                    error -> ENDED
    IDLE            open TEXT       open THINKING   open TOOL       delta, stop       error -> ENDED
    TEXT            delta           close, open     close, open     close, as IDLE    error -> ENDED
    THINKING        close, open     delta           close, open     close, as IDLE    error -> ENDED
    TOOL, not whole held            held            delta | held    close, held, …    error -> ENDED
    TOOL, whole     close, open     close, open     close, open     close, as IDLE    error -> ENDED
    ENDED           nothing ever

Blocks come one after another with indices 0, 1, 2…, each started and stopped. What belongs elsewhere while a tool call
is not whole is held until it is. White space alone opens no block, be it text or thinking: it waits for what it
belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum, auto

from gatewayd.errors import ApiError, UpstreamFailed
from gatewayd.protocol import events
from gatewayd.protocol.arguments import Arguments, Repair, repair_nothing
from gatewayd.protocol.events import Event
from gatewayd.protocol.names import encode_id
from gatewayd.protocol.notes import Notes
from gatewayd.protocol.parts import Carried, Failure, Finish, Part, Text, Thinking, ToolCall, Usage
from gatewayd.protocol.seal import Cargo, Seal

_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class State(Enum):
    NEW = auto()
    IDLE = auto()  # between blocks
    TEXT = auto()
    THINKING = auto()
    TOOL = auto()
    ENDED = auto()


_BLOCK_TYPE = {State.TEXT: "text", State.THINKING: "thinking", State.TOOL: "tool_use"}


class Writer:
    """One answer.

    message_id, model    as the client sees them; input_tokens: the estimate, > 0
    new_tool_id          makes a fresh tool id
    used_tool_ids        ids of the conversation's earlier calls: an id is never used twice
    tool_names           name that went upstream -> the client's name, where they differ
    single_call          keep the first tool call only
    repair               puts broken tool arguments right
    """

    def __init__(
        self,
        *,
        message_id: str,
        model: str,
        input_tokens: int,
        new_tool_id: Callable[[], str],
        seal: Seal,
        notes: Notes,
        used_tool_ids: frozenset[str] = frozenset(),
        tool_names: Mapping[str, str] | None = None,
        single_call: bool = False,
        repair: Repair = repair_nothing,
    ) -> None:
        self._start = events.message_start(message_id, model, input_tokens)
        self._new_tool_id = new_tool_id
        self._notes = notes
        self._tool_ids = set(used_tool_ids)
        self._tool_names = tool_names or {}
        self._single_call = single_call
        self._input_tokens = input_tokens
        self._state = State.NEW
        self._index = -1
        self._blank = {State.TEXT: "", State.THINKING: ""}  # white space that waits for more
        self._cargo = Cargo(seal)
        self._call = ToolCall(-1)  # the open or coming call: key, id and name as far as known
        self._call_id = ""  # the id that the client will see, once settled
        self._call_open = False  # its block has started
        self._repair = repair
        self._arguments = Arguments(repair)
        self._passed = ""  # arguments that may go out once the block has started
        self._closed_calls: set[int] = set()
        self._held: list[Part] = []
        self._calls = 0
        self._finish = Finish("end_turn")
        self.usage: Usage | None = None
        self.error: ApiError | None = None  # what the answer failed with

    @property
    def state(self) -> State:
        return self._state

    @property
    def opened(self) -> bool:
        """A block has begun."""
        return self._index >= 0

    @property
    def stop_reason(self) -> str:
        """What the answer ended with, once it has."""
        return self._finish.stop_reason

    def start(self) -> list[Event]:
        """message_start, once; it comes by itself before the first event of a part."""
        if self._state is not State.NEW:
            return []
        self._state = State.IDLE
        return [self._start]

    def write(self, part: Part) -> list[Event]:
        if self._state is State.ENDED:
            return []
        if isinstance(part, Usage):
            self.usage = part
            return []
        if isinstance(part, Finish):
            self._finish = part
            return []
        if isinstance(part, Failure):
            return self.fail(part.error)
        return self.start() + self._write(part)

    def finish(self) -> list[Event]:
        """The provider's answer is whole: closes what is open, then message_delta and message_stop."""
        if self._state is State.ENDED:
            return []
        cut = self._finish.stop_reason == "max_tokens"
        out = self.start()
        while self._state is State.TOOL:
            failure = self._nameless()
            if failure:
                return out + self.fail(failure)
            out += self._close(cut=cut and not self._held)
            out += self._replay()
        out += self._close()
        if self._cargo:
            out += self._redacted()
        self._finish = self._settled()
        usage = self.usage or Usage(self._input_tokens, 0, 0, 0)
        out.append(events.message_delta(self._finish.stop_reason, self._finish.stop_sequence, usage))
        out.append(events.MESSAGE_STOP)
        self._state = State.ENDED
        return out

    def fail(self, error: ApiError) -> list[Event]:
        """Ends the answer with an `error` event: nothing is closed as if it were whole."""
        if self._state is State.ENDED:
            return []
        self._state = State.ENDED
        self._finish = Finish("error")
        self.error = error
        return [events.error_event(error)]

    def keep_alive(self, *, open_thinking: bool = False) -> list[Event]:
        """What may be sent in silence: a ping and an empty delta for the open block. `open_thinking` opens a block
        where none is, for clients that count only real events."""
        if self._state in (State.NEW, State.ENDED):
            return []
        if self._state is State.IDLE and open_thinking:
            return [events.PING, *self._open(State.THINKING, dict(events.THINKING_BLOCK))]
        if self._state is State.IDLE or (self._state is State.TOOL and not self._call_open):
            return [events.PING]
        return [events.PING, events.block_delta(self._index, _BLOCK_TYPE[self._state], "")]

    def _write(self, part: Part) -> list[Event]:
        if self._state is State.TOOL:
            if isinstance(part, ToolCall) and part.key == self._call.key:
                self._carry_signature(part)
                return self._extend_call(part)
            if not self._arguments.whole or not self._call.name:
                self._held.append(part)
                return []
        if isinstance(part, Text):
            return self._write_text(part.text)
        if isinstance(part, Thinking):
            return self._write_thinking(part.text)
        if isinstance(part, ToolCall):
            return self._write_call(part)
        assert isinstance(part, Carried)
        self._cargo.add(part.payload)
        return []

    def _write_text(self, text: str) -> list[Event]:
        if self._state is State.TEXT:
            return [events.block_delta(self._index, "text", text)] if text else []
        text = self._with_blank(State.TEXT, text)
        if not text:
            return []
        out = self._close()
        if self._cargo:
            out += self._redacted()
        return [*out, *self._open(State.TEXT, dict(events.TEXT_BLOCK)), events.block_delta(self._index, "text", text)]

    def _write_thinking(self, text: str) -> list[Event]:
        out: list[Event] = []
        if self._state is not State.THINKING:
            text = self._with_blank(State.THINKING, text)
            if text:
                out = self._close() + self._open(State.THINKING, dict(events.THINKING_BLOCK))
        return [*out, events.block_delta(self._index, "thinking", text)] if text else []

    def _with_blank(self, kind: State, text: str) -> str:
        """`text` behind the white space that waited for it; "" while there is nothing else."""
        text = self._blank[kind] + text
        waits = not text.strip()
        self._blank[kind] = text if waits else ""
        return "" if waits else text

    def _write_call(self, call: ToolCall) -> list[Event]:
        if call.key in self._closed_calls:
            if call.arguments.strip() and not self._single_call:
                self._notes.add("tool_arguments.surplus_dropped", "more arguments came for a call that was whole")
            return []
        if self._single_call and self._calls and call.key != self._call.key:
            self._closed_calls.add(call.key)
            self._notes.add("parallel_tool_calls.dropped", "only the first call of the answer is kept")
            return []
        out: list[Event] = []
        if self._state is State.TOOL:
            out = self._close()
        self._call, self._call_id, self._call_open = ToolCall(call.key), "", False
        self._carry_signature(call)
        out += self._close()
        self._arguments, self._passed = Arguments(self._repair), ""
        self._calls += 1
        self._state = State.TOOL
        return out + self._extend_call(call)

    def _extend_call(self, call: ToolCall) -> list[Event]:
        """Another piece of the call under way. Its block starts with its first arguments; until then its name grows."""
        known = self._call
        self._call = ToolCall(known.key, known.id or call.id, known.name + call.name)
        if call.arguments:
            self._passed += self._arguments.feed(call.arguments)
        out: list[Event] = []
        if self._passed and self._call.name:
            out = self._open_call()
            out.append(events.block_delta(self._index, "tool_use", self._passed))
            self._passed = ""
        if self._held and self._arguments.whole and self._call.name:
            out += self._close() + self._replay()
        return out

    def _open_call(self) -> list[Event]:
        if self._call_open:
            return []
        out = self._redacted() if self._cargo else []
        self._call_open = True
        name = self._tool_names.get(self._call.name, self._call.name)
        block: dict[str, object] = {"type": "tool_use", "id": self._settle_id(self._call.id), "name": name, "input": {}}
        return out + self._open(State.TOOL, block)

    def _settle_id(self, provider_id: str) -> str:
        """The provider's id where it will do: well formed, and not used before in this conversation."""
        if not self._call_id:
            tool_id = provider_id if _TOOL_ID.fullmatch(provider_id) else encode_id(provider_id) if provider_id else ""
            if not tool_id or tool_id in self._tool_ids:
                tool_id = self._new_tool_id()
            self._tool_ids.add(tool_id)
            self._call_id = tool_id
        return self._call_id

    def _carry_signature(self, call: ToolCall) -> None:
        if call.thought_signature:
            self._cargo.add({"thought_signatures": {self._settle_id(call.id): call.thought_signature}})

    def _replay(self) -> list[Event]:
        held, self._held = self._held, []
        return [event for part in held for event in self._write(part)]

    def _nameless(self) -> ApiError | None:
        return None if self._call.name else UpstreamFailed("the provider sent a tool call without a name")

    def _open(self, state: State, block: dict[str, object]) -> list[Event]:
        self._index += 1
        self._state = state
        return [events.block_start(self._index, block)]

    def _close(self, *, cut: bool = False) -> list[Event]:
        """Closes the open block, if one is."""
        out: list[Event] = []
        if self._state is State.THINKING:
            out.append(events.signature_delta(self._index, self._cargo.load()))
        elif self._state is State.TOOL:
            out += self._close_call(cut)
        elif self._state is not State.TEXT:
            return out
        out.append(events.block_stop(self._index))
        self._state = State.IDLE
        return out

    def _close_call(self, cut: bool) -> list[Event]:
        rest = self._passed + self._arguments.finish(cut=cut)
        if self._arguments.repaired:
            self._notes.add("tool_arguments.repaired", f"the arguments of {self._call.name} were not one JSON object")
        self._closed_calls.add(self._call.key)
        out = self._open_call()
        if rest:
            out.append(events.block_delta(self._index, "tool_use", rest))
        return out

    def _redacted(self) -> list[Event]:
        """Carries provider data in a block of its own where there is no thinking text to carry it."""
        block = {"type": "redacted_thinking", "data": self._cargo.load()}
        self._index += 1
        return [events.block_start(self._index, block), events.block_stop(self._index)]

    def _settled(self) -> Finish:
        """stop_reason as the blocks demand: `tool_use` exactly when calls came that the length limit did not cut."""
        reason = self._finish.stop_reason
        if self._calls and reason not in ("max_tokens", "refusal"):
            return Finish("tool_use")
        if reason == "tool_use":
            return Finish("end_turn")
        return self._finish
