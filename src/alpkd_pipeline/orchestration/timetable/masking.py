"""Takes secrets out of what a command says before anything is written or sent."""

from __future__ import annotations

import re
from collections.abc import Iterable

from alpkd_pipeline.errors import mask_credentials

SHORTEST = 6
"""Characters of the shortest value that is masked: `1` and `true` are no secrets and are
everywhere."""

MASK = "***"


class Masking:
    """Replaces given values, and credentials in addresses, by `***`.

    Args:
        secrets: values that must not be shown; of those with several lines each line.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        # Output is masked line by line, and a key in PEM has many.
        parts = {part.strip() for secret in secrets for part in (secret, *secret.splitlines())}
        # The longest first: one value may hold another.
        known = sorted((p for p in parts if len(p) >= SHORTEST), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """The text with everything masked."""
        text = self._pattern.sub(MASK, text) if self._pattern else text
        return mask_credentials(text)
