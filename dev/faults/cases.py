"""Test cases: one for each kind of bug that operators are known for.

The kinds are those of Sieve (Sun et al., OSDI 2022: states in between, states not observed,
stale states) and of Acto (Gu et al., SOSP 2023: misoperations, consistency, health).
"""

from __future__ import annotations

from typing import Final

from faults.entry import Entry

CASES: Final = (
    Entry(1, "Killed after a Job was created, before it was recorded", "It is adopted, once."),
    Entry(
        2,
        "Killed before the first Job, then the resource is deleted",
        "It disappears, and no Job is made.",
    ),
    Entry(3, "Killed before the verdict is stored", "The same verdict, with one Event."),
    Entry(
        4, "Killed between a failed attempt and the next", "The attempt is counted exactly once."
    ),
    Entry(
        5,
        "The trainer is killed between adapter and manifest",
        "The next attempt publishes, and the manifest is written once.",
        trainer=True,
    ),
    Entry(
        6, "Killed while finished Jobs are deleted", "The deletion goes on, and nothing else goes."
    ),
    Entry(
        7,
        "Killed while suspending",
        "The pod ends, the run is Suspended, resuming makes the next attempt.",
    ),
    Entry(8, "A pod's whole life is seen at its end only", "The reason is the container's."),
    Entry(9, "A pod is deleted while no watch tells", "A full list finds it."),
    Entry(10, "Created and deleted while no operator runs", "Nothing is left or made."),
    Entry(
        11,
        "Deleted and created anew under the same name",
        "UIDs tell old from new; nothing old is adopted.",
    ),
    Entry(12, "Edited twice before the start", "The last edit counts and is shown as observed."),
    Entry(13, "A list does not show a Job that is there", "Its name is taken, so it is adopted."),
    Entry(14, "A cache shows a resource that was deleted", "Nothing is created for it."),
    Entry(15, "A pod is shown as running after the end", "The verdict stays."),
    Entry(
        16, "An operator writes late", "Its resourceVersion is old, so the API server refuses it."
    ),
    Entry(17, "Every field at its bounds and beyond", "Refused when applied, by name."),
    Entry(18, "An edit of a frozen field", "Refused, with the field and the way out."),
    Entry(19, "A wrong spec is corrected", "The run starts."),
    Entry(20, "An unknown field", "kubectl refuses it; forced, it starts nothing."),
    Entry(21, "A member of the status that the schema lacks", "There is none: all is kept."),
    Entry(22, "A field that should reach the pod", "It does, and changes nothing else."),
    Entry(23, "Nothing happens", "Nothing is written."),
    Entry(24, "Writes with and without a fault", "As many are stored."),
    Entry(25, "Everything is deleted", "No object, series or open file is left."),
    Entry(26, "Two jobs share places", "The end of one does not touch the other."),
    Entry(
        27, "Whatever the suite does to the operator", "Its log holds sentences and no stack trace."
    ),
    Entry(28, "The operator sees the cluster no more", "Its liveness probe fails."),
    Entry(29, "One job hangs", "Others go on."),
    Entry(30, "Somebody writes nonsense into the status", "The run comes to its end."),
)
"""In the order of their numbers, which tests refer to."""
