{{/*
Every name of this chart's objects. Longest names: Experiment 40 (Katib), CronJob 52, everything else 63.
*/}}

{{/*
Prefix of all names of a release, at most 45 characters: the release's name, distinct from other charts of an umbrella.
*/}}
{{- define "atelier.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "atelier" .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-atelier" (.Release.Name | trunc 37 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* The search's name without its hash, at most 31 characters: the experiment's name in the store. */}}
{{- define "atelier.search.prefix" -}}
{{- .Values.experiment.name | default (include "atelier.fullname" . | trunc 31 | trimSuffix "-") -}}
{{- end -}}

{{/* Name of the Experiment, of its ConfigMap and of its folder in the store. Another search has another name. */}}
{{- define "atelier.experiment.name" -}}
{{- printf "%s-%s" (include "atelier.search.prefix" .) (include "atelier.experiment.hash" .) -}}
{{- end -}}

{{/* The release's name as a label: labels may have 63 characters, release names 53. */}}
{{- define "atelier.instance" -}}{{ .Release.Name }}{{- end -}}

{{/* Name that the model is served under. */}}
{{- define "atelier.model.name" -}}
{{- .Values.server.model | default (include "atelier.search.prefix" .) -}}
{{- end -}}

{{- define "atelier.store.name" -}}
{{- .Values.storage.existingClaim | default (printf "%s-store" (include "atelier.fullname" .)) -}}
{{- end -}}

{{- define "atelier.server.name" -}}{{ include "atelier.fullname" . }}-server{{- end -}}
{{- define "atelier.extractor.name" -}}{{ include "atelier.fullname" . }}-extractor{{- end -}}
{{- define "atelier.extractor.cronjob.name" -}}
{{- include "atelier.extractor.name" . | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- define "atelier.inspector.name" -}}{{ include "atelier.fullname" . }}-inspector{{- end -}}
{{- define "atelier.dashboard.name" -}}{{ include "atelier.fullname" . }}-dashboard{{- end -}}
{{- define "atelier.trial.name" -}}{{ include "atelier.fullname" . }}-trial{{- end -}}
{{- define "atelier.suggestion.name" -}}{{ include "atelier.fullname" . }}-suggestion{{- end -}}
{{- define "atelier.test.name" -}}{{ include "atelier.fullname" . }}-test{{- end -}}

{{/*
Name of the Job of a search. A Job's pod template cannot change, so its hash is in the name; so are the counts of
trials, since other counts are other work.
*/}}
{{- define "atelier.extractor.job.name" -}}
{{- $counts := pick .Values.experiment "maxTrialCount" -}}
{{- $_ := set $counts "maxFailedTrialCount" (include "atelier.search.failed" . | int64) -}}
{{- $hash := list (include "atelier.extractor.job" . | fromYaml) $counts | toJson | sha256sum | trunc 6 -}}
{{- printf "%s-extract-%s" (include "atelier.experiment.name" .) $hash -}}
{{- end -}}

{{- define "atelier.inspector.job.name" -}}
{{- $hash := include "atelier.inspector.job" . | fromYaml | toJson | sha256sum | trunc 6 -}}
{{- printf "%s-%s" (include "atelier.inspector.name" .) $hash -}}
{{- end -}}
