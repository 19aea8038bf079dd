"""The rule that JSON Schema has no words for, said to schemathesis: the user, or a tool, speaks last."""

from typing import Any

import schemathesis


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Let the user speak last where a good request is meant."""
    is_good = case.meta is not None and case.meta.generation.mode.is_positive
    if case.operation.path == "/v1/chat/completions" and is_good:
        case.body["messages"] = [*case.body["messages"], {"role": "user", "content": "How do I keep basil alive?"}]
