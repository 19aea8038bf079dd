"""Conversations as products keep them, read as messages of the contract. Pure; one home for all paths.

A message of the contract has a role (`system`, `user` or `assistant`) and a text. What is read as one:

1. Roles: `developer` is `system`; `tool`, `function` and `observation` are `system`, too: words that neither the user
   nor the model said; `human` is `user`; `ai`, `gpt`, `bot`, `chatbot` and `model` are `assistant`, in any case.
2. `from` and `value` (ShareGPT) are role and content, as are `author` (ChatGPT's export), `parts` (Gemini), `text`.
3. A content in parts is their texts, joined by newlines; a part that is no text is its type in brackets (`[image]`),
   and what a model thought (`thinking`, `reasoning`), which nobody was shown, is left out.
4. A content that is null is the refusal, when there is one; of anyone but the user it is an empty text.
5. A text is one message of the user, unless it is JSON of messages (or a list of them as Python prints it), or a
   transcript (`Human: ... Assistant: ...`).
6. An object with `messages` is these, its `system` text before them; `messages` or `conversations` beside the event
   stand for a `conversation` that is missing.
7. A last message that is the response itself is cut off; where none is given, the assistant's last message is it.
   Other words of the assistant stay, since products send several messages in a row; they are told.

What a rule changed stays: of a message in its field `original`, of the whole in the event's; without the bulk of
pictures and sounds. What no rule knows is left as it is, for the judge of the contract to refuse.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from .transcripts import is_transcript, literal, turns

ROLES: Final = ("system", "user", "assistant")
LONGEST_KEPT: Final = 2_048
"""Characters of one text in a part that is no text; a picture has millions."""
ROLE: Final = "roles of other names (developer, tool, function, human, gpt) read as system, user or assistant"
SHAPE: Final = "messages of another shape (from and value, author, parts) read as role and content"
PARTS: Final = "contents in parts joined to one text"
NULL: Final = "contents that were null read as an empty text, or as the refusal"
PROMPT: Final = "conversations that were a text read as one message of the user"
JSON: Final = "conversations that were JSON (or a list of Python) in a text, or an object that holds messages, opened"
TRANSCRIPT: Final = "transcripts (Human: ... Assistant: ...) cut into messages"
RENAMED: Final = "messages read as the conversation, which was missing"
CUT_OFF: Final = "conversations that ended with the response itself: it was cut off"
SAID_BEFORE: Final = "conversations that hold the response before their end: whole chats, unless it was said twice"
GOES_ON: Final = "conversations that end with other words of the assistant than the response: kept as they are"
TAKEN: Final = "responses that were missing taken from the end of the conversation"
RESPONSE: Final = "responses that were a message or in parts read as their text"

_OTHER_ROLES: Final = {
    **dict.fromkeys(("developer", "tool", "function", "observation"), "system"),
    "human": "user",
    **dict.fromkeys(("ai", "gpt", "bot", "chatbot", "model"), "assistant"),
}
_CONTENTS = ("content", "value", "parts", "text")
"""Under which names a message holds what was said; the first one that is there."""
_TEXTS = ("text", "input_text", "output_text")
_THOUGHTS = ("thinking", "redacted_thinking", "reasoning", "thought")


def normalised(fields: dict[str, Any], told: Counter[str] | None = None) -> dict[str, Any]:
    """The fields of a served response with a conversation of the contract, as far as the rules know one.

    Args:
        fields: Without nulls; not changed.
        told: Counts the rules that changed something, each once for an event.

    >>> talk = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello!"}]
    >>> read = normalised({"conversations": talk})
    >>> read["response"], read["conversation"]
    ('Hello!', [{'role': 'user', 'content': 'Hi', 'original': {'from': 'human'}}])
    """
    if _is_plain(fields):
        return fields
    used: set[str] = set()
    event, kept = dict(fields), dict[str, Any]()
    for name in ("messages", "conversations"):
        if "conversation" not in event and isinstance(event.get(name), list | tuple):
            event["conversation"] = event.pop(name)
            used.add(RENAMED)
    if "conversation" in event:
        event["conversation"], was = _opened(event["conversation"], used)
        kept |= {} if was is None else {"conversation": was}
    if isinstance(event.get("conversation"), list | tuple):
        event["conversation"] = [_message(each, used) for each in event["conversation"]]
        kept |= _without_answer(event, used)
    if kept:
        event["original"] = kept | _theirs(event)
    if told is not None:
        told.update(used)
    return event


def ends_with_another_form(fields: Mapping[str, Any]) -> bool:
    """Whether a conversation ends with the response in another form: one of the two begins with the other.

    Other words of the assistant may be the last: products send several messages in a row.
    """
    talk, response = fields.get("conversation"), fields.get("response")
    last = talk[-1] if isinstance(talk, list | tuple) and talk else None
    if not isinstance(last, Mapping) or not is_answer(last) or not isinstance(response, str):
        return False
    said, answered = (" ".join(text.casefold().split()) for text in (last["content"], response))
    return bool(answered) and (said.startswith(answered) or answered.startswith(said))


def _is_plain(fields: Mapping[str, Any]) -> bool:
    """Whether nothing is to be read: the usual case, and quick."""
    talk = fields.get("conversation")
    if type(talk) is not list or not talk or type(fields.get("response")) is not str:
        return False
    response = fields["response"]
    for each in talk:  # a generator would cost as much as the looks themselves
        if type(each) is not dict or type(each.get("content")) is not str or each.get("role") not in ROLES:
            return False
        if each["content"] == response and each["role"] == "assistant":
            return False
    return not is_answer(talk[-1])


def is_answer(message: Mapping[str, Any]) -> bool:
    """Whether a message is words of the assistant to the user; one that calls tools is a step on the way."""
    content = message.get("content")
    calls = message.get("tool_calls") or message.get("function_call")
    return message.get("role") == "assistant" and isinstance(content, str) and bool(content.strip()) and not calls


def _theirs(event: Mapping[str, Any]) -> dict[str, Any]:
    """The product's own field `original`, which keeps its place."""
    theirs = event.get("original")
    return {} if theirs is None else dict(theirs) if isinstance(theirs, Mapping) else {"original": theirs}


def _opened(talk: Any, used: set[str]) -> tuple[Any, Any]:
    """A conversation as a list of messages, and what of its first form would be lost; None for nothing."""
    found = talk
    if isinstance(talk, str):
        found = _json(talk)
        if found is None and is_transcript(talk):
            used.add(TRANSCRIPT)
            return [{"role": _OTHER_ROLES.get(who, who), "content": said} for who, said in turns(talk)], talk
        if found is None:
            used.add(PROMPT)
            return [{"role": "user", "content": talk}], None
        used.add(JSON)
    if not isinstance(found, Mapping):
        return found, None
    if isinstance(found.get("messages"), list | tuple):
        used.add(JSON)
        system = found.get("system")
        first = [] if system is None else [{"role": "system", "content": system}]
        rest = {name: brief(each) for name, each in found.items() if name not in ("messages", "system")}
        return [*first, *found["messages"]], rest or None
    return ([found], None) if _speaks(found) else (talk, None)


def _json(text: str) -> Any:
    """The messages that a text holds as JSON; None for any other text, JSON that a user pasted among them."""
    found = literal(text)
    if isinstance(found, Mapping):
        return found if isinstance(found.get("messages"), list) or _speaks(found) else None
    return found if isinstance(found, list) and found and all(map(_speaks, found)) else None


def _speaks(value: Any) -> bool:
    """Whether an object is a message: it says who speaks, and what."""
    return isinstance(value, Mapping) and _speaker(value)[0] is not None and any(name in value for name in _CONTENTS)


def _message(message: Any, used: set[str]) -> Any:
    if hasattr(message, "model_dump"):  # pydantic, as OpenAI's own client returns
        message = message.model_dump(exclude_none=True)
    if not isinstance(message, Mapping):
        return message
    role, who = _speaker(message)
    what = next((name for name in _CONTENTS if message.get(name) is not None), "content")
    text = _content(message.get(what), message, used)
    made = {name: each for name, each in message.items() if name not in (who, what) or name in ("role", "content")}
    made |= {} if role is None else {"role": _role(role, used)}
    made |= {} if text is None else {"content": text}
    if {who, what} - {"role", "content"}:
        used.add(SHAPE)
    was = {name: brief(message[name]) for name in (who, what) if message.get(name) not in (None, made.get(name))}
    if what != "content" and message[what] == text:
        del was[what]  # said again word by word
    return made | {"original": was} if was else made


def _role(role: str, used: set[str]) -> str:
    plain = role.strip().lower()
    found = _OTHER_ROLES.get(plain, plain)
    if found == role or found not in ROLES:
        return role
    used.add(ROLE)
    return found


def _speaker(message: Mapping[str, Any]) -> tuple[str | None, str]:
    """Who speaks, and the field that says so."""
    author = message.get("author")
    for name, value in (
        ("role", message.get("role")),
        ("from", message.get("from")),
        ("author", author.get("role") if isinstance(author, Mapping) else author),
    ):
        if isinstance(value, str):
            return value, name
    kind = message.get("type")  # LangChain: {"type": "human", "content": ...}
    if isinstance(kind, str) and "role" not in message and (kind in ROLES or kind in _OTHER_ROLES):
        return kind, "type"
    return None, "role"


def _content(content: Any, message: Mapping[str, Any], used: set[str]) -> str | None:
    """What was said, as one text; None where no rule knows."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        content = content.get("parts", [content])
    if isinstance(content, list | tuple):
        used.add(PARTS)
        return "\n".join(_part(each) for each in content if not _is_thought(each))
    refusal = message.get("refusal")
    if content is None and (isinstance(refusal, str) or _may_be_silent(message)):
        used.add(NULL)
        return refusal if isinstance(refusal, str) else ""
    return None


def _may_be_silent(message: Mapping[str, Any]) -> bool:
    """Whether a message without a content counts: one that calls tools, or a null that is not the user's."""
    if message.get("tool_calls") or message.get("function_call"):
        return True
    role, _ = _speaker(message)
    return "content" in message and role is not None and _role(role, set()) in ("system", "assistant")


def _is_thought(part: Any) -> bool:
    """Whether a part is what a model thought, which nobody was shown."""
    return isinstance(part, Mapping) and part.get("type") in _THOUGHTS


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        return "[part]"
    kind = str(part.get("type", part.get("content_type", "text" if isinstance(part.get("text"), str) else "part")))
    if kind == "message" and part.get("content") is not None:  # a message as a part: OpenAI's Responses API
        return _content(part["content"], part, set()) or "[message]"
    text = part.get("text" if kind in _TEXTS else kind)
    if isinstance(text, str) and kind in (*_TEXTS, "refusal"):
        return text
    return f"[{kind.removeprefix('input_').removesuffix('_url')}]"


def _without_answer(event: dict[str, Any], used: set[str]) -> dict[str, Any]:
    """Cut the response off the conversation's end, or take it from there; returns what of it would be lost."""
    talk, response, kept = event["conversation"], event.get("response"), {}
    text = _response(response)
    if text is not None and text != response:
        kept["response"] = brief(response)
        event["response"] = response = text
        used.add(RESPONSE)
    last = talk[-1] if talk else None
    if any(isinstance(each, Mapping) and is_answer(each) and each["content"] == response for each in talk[:-1]):
        used.add(SAID_BEFORE)
    if not isinstance(last, Mapping) or not is_answer(last) or len(talk) == 1:
        return kept
    if response is not None and str(response).strip() != last["content"].strip():
        used.add(GOES_ON)
        return kept
    used.add(TAKEN if response is None else CUT_OFF)
    event["conversation"], event["response"] = talk[:-1], event.get("response", last["content"])
    return kept | {"last": brief(last)}


def _response(response: Any) -> str | None:
    """The text of a response that is a message, or in parts."""
    said = response.get("content") if isinstance(response, Mapping) else response
    if not isinstance(response, Mapping | list | tuple) or said is None:
        return said if isinstance(said, str) else None
    sound = not isinstance(said, list | tuple) or all(isinstance(each, Mapping) for each in said)
    return _content(said, {}, set()) if sound and said else None


def brief(value: Any) -> Any:
    """The same with long texts of parts cut, other than the parts' own words."""
    if isinstance(value, Mapping):
        spoken = value.get("type") in _TEXTS
        return {name: each if spoken and name == "text" else brief(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [brief(each) for each in value]
    if isinstance(value, str) and len(value) > LONGEST_KEPT:
        return f"{value[:64]}... ({len(value) - 64:,} characters left out)"
    return value
