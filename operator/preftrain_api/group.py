"""Names of the API group and of everything that Preftrain writes on Kubernetes objects.

Labels and annotations are wire format: the operator finds its Jobs and pods by them,
users find their pods by them, and Prometheus turns them into series labels.
"""

from typing import Final

GROUP: Final = "preftrain.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "PreferenceTrainingJob"
PLURAL: Final = "preferencetrainingjobs"
SINGULAR: Final = "preferencetrainingjob"
SHORT_NAME: Final = "ptj"
CATEGORY: Final = "preftrain"

LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "preftrain"
LABEL_APP_NAME: Final = "app.kubernetes.io/name"
APP_NAME: Final = "preftrain-trainer"
LABEL_JOB: Final = f"{GROUP}/job"
LABEL_JOB_UID: Final = f"{GROUP}/job-uid"
LABEL_REVISION: Final = f"{GROUP}/revision"
LABEL_STAGE: Final = f"{GROUP}/stage"
LABEL_ATTEMPT: Final = f"{GROUP}/attempt"
LABEL_QUEUE_NAME: Final = "kueue.x-k8s.io/queue-name"
ANNOTATION_RUN_SPEC: Final = f"{GROUP}/run-spec"

RESERVED_PREFIXES: Final = (f"{GROUP}/", "batch.kubernetes.io/", "kueue.x-k8s.io/")
"""Label and annotation prefixes that users may not set on pods: others decide by them."""

MAX_NAME_CHARACTERS: Final = 46
"""Leaves room for `-r<revision>-<attempt>` and the pod's suffix within 63 characters."""

MAX_RUN_SPEC_BYTES: Final = 64 * 1024
MAX_POD_ANNOTATIONS_BYTES: Final = 32 * 1024
"""Together below the 256 KiB that Kubernetes allows for all annotations of an object."""
