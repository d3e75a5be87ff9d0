"""Chat completions with a canary in every place where a caller can write."""

import json
from typing import Any

from tests.e2e.leaks.asks import CHAT, ESSAY, Traffic, said


def chats(traffic: Traffic) -> None:
    planted = traffic.planted
    traffic.post("chat", CHAT, said(ESSAY))
    traffic.post("streamed chat", CHAT, said(ESSAY, stream=True))
    traffic.post("chat without un-masking", CHAT, said(ESSAY), 200, b"x-unmask: false")
    whole = planted("an address across two parts")
    parts = ["Меня зовут Аделаида Вержби", "цкая, почта ", whole[:14], whole[14:], " и ", planted("a part")]
    traffic.post("parts", CHAT, said([{"type": "text", "text": part} for part in parts]))
    messages: list[dict[str, Any]] = [
        {"role": role, "content": f"Пишет Вержбицкая, {planted(f'{role} message')}"}
        for role in ("system", "developer", "user", "assistant")
    ]
    messages += [
        {"role": "user", "content": "?", "name": planted("name of a message")},
        {"role": "user", "content": "?", "name": "Rosalind_Ashworth"},
        {
            "role": "user",
            "content": "?",
            "name": traffic.named("name in small letters", "lavinia_quillfeather"),
        },
        {"role": "assistant", "refusal": f"Нет, {planted('refusal')}"},
    ]
    traffic.post("roles", CHAT, said("?") | {"messages": messages})
    who = {name: planted(name) for name in ("user", "safety_identifier", "prompt_cache_key", "service_tier")}
    traffic.post(
        "who asks", CHAT, said("Hello!", **who, metadata={planted("metadata's name"): planted("metadata")})
    )
    traffic.post("stop", CHAT, said("Hello!", stop=[planted("stop"), "Вержбицкая"]))
    traffic.post("model", CHAT, said("Hello!") | {"model": planted("model")})
    traffic.post("effort", CHAT, said("Hello!", reasoning_effort="Вержбицкая"), 400)


def tools(traffic: Traffic) -> None:
    planted = traffic.planted

    def call(arguments: str, name: str = "lookup") -> dict[str, Any]:
        function = {"name": name, "arguments": arguments}
        return {"id": planted("id of a tool call"), "type": "function", "function": function}

    spelled = {"student": "Аделаида Вержбицкая", "email": planted("arguments")}
    calls = [
        call(json.dumps(spelled, ensure_ascii=False)),
        call(json.dumps({**spelled, "email": planted("escaped arguments")})),  # \u0410...
        call('"' + "".join(f"\\u{ord(letter):04X}" for letter in planted("arguments escaped whole")) + '"'),
        call('{"phone": 79124803715, "inn": 500100732259}'),
        call("{}", planted("name of a called function")),
    ]
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {
            "role": "tool",
            "tool_call_id": planted("tool_call_id"),
            "content": json.dumps({"name": "Трофим Залесский", "e": planted("a tool's answer")}),
        },
    ]
    schema = {
        "type": "object",
        "title": planted("title of a parameter"),
        "properties": {
            planted("name of a property"): {
                "type": "string",
                "enum": [planted("enum"), "Rosalind Ashworth"],
                "default": planted("default"),
                "examples": [planted("examples")],
                "description": f"Как у Вержбицкой Аделаиды, {planted('description of a property')}",
            }
        },
    }
    function = {
        "name": planted("name of a tool"),
        "description": f"Finds Rosalind Ashworth, {planted('description of a tool')}",
        "parameters": schema,
    }
    tools = [{"type": "function", "function": function}]
    choice = {"type": "function", "function": {"name": planted("tool_choice")}}
    for stream in (False, True):
        body = said("?", tools=tools, tool_choice=choice, stream=stream) | {"messages": messages}
        traffic.post(f"tools, streamed: {stream}", CHAT, body)


def schemas(traffic: Traffic) -> None:
    planted = traffic.planted
    schema = {
        "title": planted("title of a schema"),
        "description": f"О Залесском Трофиме, {planted('description of a schema')}",
        "$comment": planted("$comment"),
        "type": "object",
        "properties": {
            "to": {"const": planted("const")},
            "who": {"enum": ["Трофим Залесский"]},
            "card": {"enum": [int(traffic.named("a number in a schema", "4539578763621486"))]},
        },
        "required": ["to"],
    }
    form = {
        "name": planted("name of a schema"),
        "description": planted("what a schema is for"),
        "schema": schema,
    }
    traffic.post("schema", CHAT, said("?", response_format={"type": "json_schema", "json_schema": form}))
    traffic.post("JSON", CHAT, said(ESSAY, response_format={"type": "json_object"}))
