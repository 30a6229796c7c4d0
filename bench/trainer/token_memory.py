"""What the token ids of a large set take: memory and time to tokenize and to read them all once.

    .venv/bin/python bench/trainer/token_memory.py [pairs]

The tokenizer is a stand-in that costs nothing: a token every four characters. What is measured
is what is kept. The pairs are those of `audit_speed.py`.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY / name) for name in ("", "operator", "trainer-image")]


class EveryFourLetters:
    """A tokenizer without chat template."""

    chat_template = None
    eos_token_id = 2

    def __call__(self, texts: list[str], **_: Any) -> dict[str, list[list[int]]]:
        """Ids between 0 and 150,000, as large vocabularies have."""
        return {
            "input_ids": [
                [hash(text[at : at + 4]) % 150_000 for at in range(0, len(text), 4)]
                for text in texts
            ]
        }


def main(count: int) -> int:
    """Print a table."""
    from bench.trainer import audit_speed
    from preftrain_trainer.data.pairs import PreferencePair
    from preftrain_trainer.data.tokens import Tokenization

    class Pairs:
        """Made when asked for, so that nothing but the tokens grows."""

        def __len__(self) -> int:
            return count

        def __iter__(self) -> Any:
            for number, line in enumerate(audit_speed.rows(count), start=1):
                row = json.loads(line)
                yield PreferencePair(number, row["prompt"], row["chosen"] or ".", row["rejected"])

    with tempfile.TemporaryDirectory() as folder:
        tokenization = Tokenization(
            EveryFourLetters(), frozenset({2}), 1 << 20, scratch=Path(folder)
        )
        before = _peak_mib()
        start = time.process_time()
        tokenized = tokenization.tokenize(Pairs(), conversational=False)  # type: ignore[arg-type]
        made = time.process_time() - start
        start = time.process_time()
        tokens = sum(
            len(pair.prompt) + len(pair.chosen) + len(pair.rejected) for pair in tokenized.examples
        )
        read = time.process_time() - start
    print(f"{count} pairs of {tokens / count:.0f} tokens")
    print(f"{'CPU to tokenize':>20}  {made:.1f} s")
    print(f"{'CPU to read':>20}  {read:.1f} s")
    print(f"{'largest memory':>20}  {_peak_mib():.0f} MiB, {before:.0f} MiB before")
    return 0


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
