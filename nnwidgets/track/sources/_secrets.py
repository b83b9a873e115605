"""Keys and passwords in a text are replaced by ``***``."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache

from ._plain_python import parses

_MASK = "***"

# What issuers of keys put in front of them, so that leaked ones are found. All lengths are bounded: a picture as text is long.
_ISSUED = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:
      sk-(?=[\w-]{0,80}\d)[\w-]{20,300} | [sr]k_(?:live|test)_[A-Za-z0-9]{10,300}
    | hf_(?=[a-z]{0,80}[A-Z0-9])[A-Za-z0-9]{20,300} | gh[opusr]_[A-Za-z0-9]{30,300} | github_pat_\w{22,300}
    | glpat-[\w-]{18,300} | A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9]) | AIza[\w-]{30,300} | xox[a-z]-[\w-]{10,300}
    | npm_[A-Za-z0-9]{30,300} | pypi-[\w-]{40,300} | SG\.[\w-]{16,300}\.[\w-]{16,300} | nvapi-[\w-]{20,300}
    | gsk_[A-Za-z0-9]{20,300} | eyJ[\w-]{8,2000}\.[\w-]{8,4000}\.[\w-]{0,2000}
    )""",
    re.VERBOSE,
)
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)(.{0,8000}?)(?=-----END |\Z)", re.DOTALL)
_KEY_LINE = re.compile(r"(?<!\\)(?:[A-Za-z0-9+/=]{20,}|[A-Za-z0-9+/=]+(?=(?:\\n|[\s\"'])*\Z))")
_HEADER = re.compile(
    r"""((?:[Aa]uthorization|AUTHORIZATION)["']?\s{0,9}[:=,]\s{0,9}[rbfu]{0,2}["']?\s{0,9}(?:(?:[Bb]earer|[Bb]asic|[Tt]oken)\s{1,9})?)"""
    r"""([A-Za-z0-9._~+/=-]{8,})"""
)
_BEARER = re.compile(r"(Bearer\s{1,9})([A-Za-z0-9._~+/=-]{16,})")
_ADDRESS = re.compile(r"""(://[^\s/:@"']{0,200}:)([^\s/@"'{}*]{1,300})(?=@)""")

# What may stand in a name that holds something secret.
_WORD = re.compile(r"key|token|secret|passw|passphrase|pwd|credential|login|authenticate")
_TEXT = r"""(?:'{3}(?:[^\\]|\\.)*?'{3}|\"{3}(?:[^\\]|\\.)*?\"{3}|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")"""
_TEXTS = rf"(?:[rbfuRBFU]{{0,2}}{_TEXT}\s*)+"
# name = "...", name: str = "...", f(name="..."), {"name": "..."}, environ["name"] = "...", setenv("name", "...")
_GIVEN = re.compile(
    rf"""(\w{{1,100}})(?:["']\s*\]?)?(?:\s*:\s*\w[\w.]*(?:\s*\|\s*None)?)?\s*(?:=(?!=)|:|,)\s*\(?\s*({_TEXTS})""",
    re.DOTALL,
)
# login("..."), set_api_key("...")
_CALLED = re.compile(rf"(\w{{1,100}})\(\s*({_TEXTS})\s*[,)]", re.DOTALL)
# %env NAME=..., export NAME=..., --token=...: lines of a shell, without quotes
_SHELL_BEFORE = re.compile(r"(?:(?:%env|%set_env|\bexport) {1,4}|--(?:\w{1,30}-){0,9})\Z")
_SHELL = re.compile(r"""(\w{1,100}(?:-\w{1,100}){0,9})(?:=|[ ]+)([^\s"'$={}]+)""")

_ALWAYS_SECRET = re.compile(
    r"secret|passw(?:or)?d|passphrase|pwd|credential|(?:api|access|private)_?key", re.IGNORECASE
)
_ONLY_ABOUT = re.compile(
    r"(?:hash|digest|checksum|sha\d*|md5|path|file|folder|dir|name|field|column|label|env|url|type|prompt)\d*$",
    re.IGNORECASE,
)


# the modules of a project are the same from run to run
@lru_cache(maxsize=512)
def mask(text: str) -> str:
    r"""The text with ``***`` in the place of what looks like a key; the lines keep their numbers, and code stays code.

    Masked are keys with a known beginning (``sk-``, ``hf_``, ``ghp_``, ...), private keys, passwords in addresses and
    headers, and texts that are given to a name like ``api_key`` or ``password``. A random key of JAX is no secret.

    Args:
        text: code, or anything else.

    Example:
        >>> print(mask('key = jax.random.key(0)\npassword = "hunter22"'))
        key = jax.random.key(0)
        password = "***"
    """
    masked = _with(text, _MASK)
    # A name that only looks like a key must stay a name.
    return masked if masked == text or parses(masked) or not parses(text) else _with(text, "masked")


def _with(text: str, word: str) -> str:
    text = _PRIVATE_KEY.sub(lambda found: found[1] + _KEY_LINE.sub(word, found[2]), text)
    text = _ISSUED.sub(word, text)
    text = _HEADER.sub(rf"\g<1>{word}", text)
    text = _BEARER.sub(lambda found: found[1] + (word if _is_random(found[2]) else found[2]), text)
    text = _ADDRESS.sub(rf"\g<1>{word}", text)
    return _without_given(text, word)


def _without_given(text: str, word: str) -> str:
    """Without the texts that are given to names of secrets."""
    pieces, end = [], 0
    for found in _WORD.finditer(_lowered(text)):
        start = _word_start(text, found.start())
        given = _given(text, start) if start is not None and start >= end else None
        if given is not None and _is_secret(given[1], _value(given[2])):
            pieces += [text[end : given.start(2)], _emptied(given[2], word)]
            end = given.end(2)
    return "".join(pieces) + text[end:]


def _lowered(text: str) -> str:
    """In small letters, as many: ten times faster to search than without regard to case."""
    small = text.lower()
    return small if len(small) == len(text) else re.sub("[A-Z]+", lambda found: found[0].lower(), text)


def _word_start(text: str, place: int) -> int | None:
    """Where the word around a place begins; None for a word that is too long for a name."""
    for start in range(place, max(-1, place - 60), -1):
        if start == 0 or not (text[start - 1] == "_" or text[start - 1].isalnum()):
            return start
    return None


def _given(text: str, start: int) -> re.Match[str] | None:
    if _SHELL_BEFORE.search(text[max(0, start - 60) : start]) and (found := _SHELL.match(text, start)):
        return found
    return _GIVEN.match(text, start) or _CALLED.match(text, start)


def _value(texts: str) -> str:
    return "".join(literal.strip("\"'") for literal in re.findall(_TEXT, texts, re.DOTALL)) or texts


def _emptied(texts: str, word: str) -> str:
    """The literals with another content, on as many lines; a word without quotes is replaced."""

    def emptied(found: re.Match[str]) -> str:
        quote = found[0][:3] if found[0][:3] in ("'''", '"""') else found[0][0]
        return quote + word + "\n" * found[0].count("\n") + quote

    return re.sub(_TEXT, emptied, texts, flags=re.DOTALL) if re.search(_TEXT, texts, re.DOTALL) else word


def _is_secret(name: str, value: str) -> bool:
    if _ONLY_ABOUT.search(name) or "{" in value or _MASK in value:
        return False
    words = value.split()
    if _ALWAYS_SECRET.search(name) and len(words) == 1:
        return len(value) >= 4
    return any(map(_is_random, words))


def _is_random(value: str) -> bool:
    """Whether a word is long and not made of words: what is left without them is long, and no letter comes often."""
    if len(value) < 16:
        return False
    left = re.sub(r"[A-Z]?[a-z]{3,}|(?<![A-Za-z0-9])[A-Za-z]+(?![A-Za-z0-9])|[^A-Za-z0-9]", "", value)
    return len(left) >= 10 and _entropy(value) >= 3.0


def _entropy(text: str) -> float:
    """Bits a letter."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
