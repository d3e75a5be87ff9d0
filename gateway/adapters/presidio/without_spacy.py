"""Lets Presidio be imported without spaCy.

Presidio imports spaCy at its top for engines that are not used here: of the 2.3 s and 114 MB that took, 1.4 s
and 60 MB were spaCy's, in every worker and again after every crash. No recogniser here reads tokens, so a
stand-in that answers every name with an empty class is enough.
"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_MODULES = (
    "spacy",
    "spacy.language",
    "spacy.pipeline",
    "spacy.tokens",
    "spacy.util",
    "spacy.vocab",
    "thinc",
    "thinc.api",
)


class _AnyAttribute(type):
    def __getattr__(cls, name: str) -> "type[_Nothing]":
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing


class _Nothing(metaclass=_AnyAttribute):
    """Any class, registry or decorator of spaCy's, as far as an import needs it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Takes what spaCy's would."""

    def __call__(self, decorated: Any) -> Any:
        return decorated


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> type[_Nothing]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing


def leave_spacy_out() -> None:
    """Call before the first import of presidio_analyzer, in a process that wants nothing else of spaCy.
    Does nothing when spaCy is loaded already."""
    if "spacy" in sys.modules:
        return
    for name in _MODULES:
        module = _StandIn(name)
        module.__spec__ = ModuleSpec(name, loader=None, is_package="." not in name)
        module.__path__ = []
        sys.modules[name] = module
