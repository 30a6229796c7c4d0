"""The faults that a running installation meets."""

from __future__ import annotations

from typing import Final

from faults.entry import Entry
from preftrain_api.exit_codes import ExitCode
from preftrain_api.reasons import Reason

FAULTS: Final = (
    Entry(
        1,
        "The operator is killed at any write",
        "Its successor finds what was written and does the rest: same status, same Jobs, each made "
        "once, each Event once.",
    ),
    Entry(
        2,
        "The API server or etcd is away, answers 5xx, or loses answers",
        "The same process asks again; nothing is concluded from silence, and pods are not touched.",
        ("log `resync failed`",),
    ),
    Entry(
        3,
        "A watch is cut, loses events, or ends with 410",
        "It is opened again; full lists after half a minute and every five minutes find what no "
        "event told.",
        ("metric `preftrain_operator_resync_differences_total`",),
    ),
    Entry(
        4,
        "A watch ends with an error 500 or 504 in its stream, or is refused with 401",
        "kopf gives the watch up; the operator's process ends within two seconds with one "
        "sentence, and its successor begins with full lists.",
        ("log `a watch ended`",),
    ),
    Entry(
        5,
        "Caches show the past",
        "Absence is looked up live before anything is created, and a name that is taken is adopted "
        "when its owner is this resource.",
    ),
    Entry(
        6,
        "Events come twice, late or out of order",
        "They only say where to look; the newest version counts, and a verdict does not change.",
    ),
    Entry(
        7,
        "The pod is evicted",
        "The attempt is closed and not counted, and the Job's next pod goes on from the last "
        "checkpoint.",
        (Reason.PREEMPTED, ExitCode.PREEMPTED),
    ),
    Entry(
        8,
        "The pod is preempted or deleted",
        "The next pod is made when the old one has ended, never beside it; it is not counted.",
        (Reason.PREEMPTED,),
    ),
    Entry(
        9,
        "The node is lost",
        "The run waits until Kubernetes says that the pod has ended, and never deletes it by "
        "force; should the old pod come back, the claim in the object store keeps it from "
        "publishing.",
        (Reason.PREEMPTED,),
    ),
    Entry(
        10,
        "The node's memory limit is exceeded",
        "The attempt says so and is counted; the next one is made while maxRetries allows it.",
        (Reason.OOM_KILLED,),
    ),
    Entry(
        11,
        "The GPU's memory is exhausted",
        "The run fails and names the fields to lower; another attempt would end the same way.",
        (Reason.OUT_OF_GPU_MEMORY, ExitCode.OUT_OF_GPU_MEMORY),
        trainer=True,
    ),
    Entry(
        12,
        "The image cannot be pulled",
        "The condition has the node's message at once; the run waits, until "
        "startDeadlineSeconds where that is set.",
        (Reason.IMAGE_PULL_FAILED,),
    ),
    Entry(
        13,
        "No node fits the pod",
        "After ten seconds the condition has the scheduler's message; the run waits.",
        (Reason.UNSCHEDULABLE,),
    ),
    Entry(
        14,
        "The object store is down",
        "The pod ends and is tried again, counted.",
        (Reason.OBJECT_STORE_UNAVAILABLE, ExitCode.OBJECT_STORE_UNAVAILABLE),
        trainer=True,
    ),
    Entry(
        15,
        "Access to the object store is refused, or the bucket is missing",
        "Prepare finds it before a GPU is asked for, and names the place and the Secret.",
        (Reason.OBJECT_STORE_UNAVAILABLE, ExitCode.OBJECT_STORE_UNAVAILABLE),
        trainer=True,
    ),
    Entry(
        16,
        "An upload is interrupted",
        "Without a manifest nothing is published; the next attempt writes it whole.",
        trainer=True,
    ),
    Entry(
        17,
        "Credentials expire during a long run",
        "A mounted key or token that is refused is read again, and the run goes on with what a "
        "rotation has put there; where there is nothing new the pod ends and names the Secret.",
        (Reason.OBJECT_STORE_UNAVAILABLE, ExitCode.OBJECT_STORE_UNAVAILABLE),
        trainer=True,
    ),
    Entry(
        18,
        "The data are malformed, empty or missing",
        "Prepare refuses them before a GPU is asked for, with file, row and column.",
        (Reason.DATA_REFUSED, ExitCode.DATA_REFUSED),
        trainer=True,
    ),
    Entry(
        19,
        "A loss is no number",
        "A guard ends the run at that step, and nothing is published.",
        (Reason.GUARD_STOPPED, ExitCode.GUARD_STOPPED),
        trainer=True,
    ),
    Entry(
        20,
        "A disk is full",
        "The message names the folder, what is free and what is needed; nothing half-written is "
        "visible. A download that does not fit is not begun.",
        (
            Reason.OBJECT_STORE_UNAVAILABLE,
            ExitCode.OBJECT_STORE_UNAVAILABLE,
            Reason.INTERNAL_ERROR,
            ExitCode.INTERNAL,
        ),
        trainer=True,
    ),
    Entry(
        21,
        "Clocks disagree or jump",
        "A node's clock never brings a deadline forward, as no pod starts before it was created; "
        "when an operator's clock goes back, Jobs are deleted later.",
    ),
    Entry(
        22,
        "The resource is deleted while it runs",
        "Jobs and pods go with it by their owner references, with or without an operator; nothing "
        "is created for it any more.",
    ),
    Entry(
        23,
        "The namespace is deleted",
        "It goes as fast as its pods: there are no finalizers of ours, and what the API server "
        "refuses meanwhile is not asked for again and again.",
    ),
    Entry(
        24,
        "A quota is used up",
        "The condition names it; a Job that was refused is tried again every 30 seconds, or when "
        "its resource is edited.",
        (Reason.QUOTA_EXCEEDED, Reason.ADMISSION_REJECTED),
    ),
    Entry(
        25,
        "An admission policy refuses the Job or its pod",
        "The condition has the API server's message, or the command that shows it; the run waits.",
        (Reason.ADMISSION_REJECTED,),
    ),
    Entry(
        26,
        "The API server asks for patience (429) or is slow",
        "Retry-After is kept, failing keys wait longer each time, and other jobs go on.",
        ("log `again in … s`",),
    ),
    Entry(
        27,
        "A Secret is missing",
        "After 20 seconds the condition names what the pod mounts; the run goes on when the Secret "
        "is created.",
        (Reason.SECRET_MISSING, Reason.VOLUME_NOT_READY),
    ),
    Entry(
        28,
        "A Secret is changed while a pod runs",
        "Secrets are mounted as files, never as variables, so the kubelet renews them in the pod.",
    ),
    Entry(
        29,
        "Two operators work at once",
        "The end is that of one: every write carries its precondition, and none depends on a "
        "lease.",
    ),
    Entry(
        30,
        "The installed kind is older or newer than the operator",
        "A spec with unknown fields is left alone; members of the status that an older kind does "
        "not keep are told in the log and not written again.",
        (Reason.NEWER_SCHEMA, "log `the installed kind is older`"),
    ),
    Entry(
        31,
        "The operator is upgraded while jobs run",
        "Running Jobs are not touched; new ones get the new images.",
    ),
    Entry(
        32,
        "Names are as long as possible or begin with a digit",
        "The API server refuses names from which no pod's name could be made; all others live a "
        "whole life.",
    ),
    Entry(
        33,
        "Text holds other scripts, emoji or control characters",
        "It reaches conditions and Events as it is, cut to size, and log lines as JSON.",
    ),
    Entry(
        34,
        "A spec is huge",
        "Every string, list and map has a maximum in the schema; a run spec above 64 KiB is "
        "refused with the part that is too large.",
        (Reason.SPEC_TOO_LARGE,),
    ),
    Entry(
        35,
        "A user's labels imitate the operator's",
        "Ours win on what we make, and only owner references decide what is ours.",
    ),
    Entry(
        36,
        "Somebody deletes or edits a Job or a pod",
        "A pod that is gone is replaced uncounted; a Job that is gone, or whose owner reference "
        "was taken away, is a counted attempt; what has lost its labels stays the run's, and is "
        "looked at by its name every ten seconds.",
        (Reason.JOB_DELETED, Reason.NAME_TAKEN),
    ),
    Entry(
        37,
        "Somebody writes the status, or adds finalizers",
        "The run goes on from what is seen of Jobs and pods; a finalizer holds up what it is on "
        "and nothing else.",
    ),
    Entry(
        38,
        "Events or jobs come in thousands",
        "A job is in the queue at most once and is worked on by one worker; however often it is "
        "told, it is written once.",
    ),
    Entry(
        39,
        "A pod answers with too much, nonsense or another pod's progress",
        "At most 16 KiB are read within two seconds, without redirects; what is not understood is "
        "passed over.",
        ("metric `preftrain_operator_progress_reads_total`",),
    ),
    Entry(
        40,
        "The GPU is faulty",
        "One that cannot be used at the start fails the run; one that fails later ends the "
        "process, which is tried again, though on no other node by our doing.",
        (Reason.GPU_UNAVAILABLE, Reason.INTERNAL_ERROR),
        trainer=True,
    ),
    Entry(
        41,
        "The model hub is down, or refuses",
        "Prepare tries again while the hub is down, and fails the run when it refuses.",
        (Reason.MODEL_UNAVAILABLE, Reason.OBJECT_STORE_UNAVAILABLE),
        trainer=True,
    ),
    Entry(
        42,
        "The pod is asked to end, with little grace",
        "It ends with 75, and the next pod goes on; killed before it could, it counts only when "
        "nobody had deleted or disrupted it.",
        (Reason.PREEMPTED, ExitCode.PREEMPTED),
        trainer=True,
    ),
)
"""In the order of their numbers, which tests refer to."""
