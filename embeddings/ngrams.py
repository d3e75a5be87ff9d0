"""Character n-grams -> buckets of a hash table (Weinberger et al. 2009), the same numbers in any language."""

from zlib import crc32


def buckets(text: str, *, count: int, low: int, high: int) -> list[int]:
    """The distinct buckets of the text's n-grams of `low` to `high` characters, in rising order, each in
    0..count-1. Case and runs of white space do not count; a space stands before and after the text. At least
    one bucket, also for an empty text."""
    words = f" {' '.join(text.casefold().split())} "
    grams = {words[at : at + n] for n in range(low, high + 1) for at in range(max(1, len(words) - n + 1))}
    return sorted({crc32(gram.encode()) % count for gram in grams})
