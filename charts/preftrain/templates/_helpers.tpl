{{- define "preftrain.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "preftrain.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "preftrain.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "preftrain.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "preftrain.selector" -}}
app.kubernetes.io/name: preftrain-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "preftrain.labels" -}}
{{ include "preftrain.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: preftrain
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "preftrain.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "preftrain.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /* The reference of an image: (list $ .Values.images.operator) */}}
{{- define "preftrain.image" -}}
{{- $root := index . 0 }}
{{- $image := index . 1 }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{- /* What the operator does, and nothing else: no Secret, no wildcard, no spec is written. */}}
{{- define "preftrain.rules" -}}
- apiGroups: [preftrain.dev]
  resources: [preferencetrainingjobs]
  verbs: [get, list, watch]
- apiGroups: [preftrain.dev]
  resources: [preferencetrainingjobs/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, list]
{{- end }}
