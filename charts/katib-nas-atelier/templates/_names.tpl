{{/*
Every name of this chart's objects. Longest names: Experiment 40 (Katib), CronJob 52, everything else 63.
*/}}

{{/*
Prefix of all names of a release, at most 45 characters: the release's name, distinct from other charts of an umbrella,
and with the alias that an umbrella gives this chart. A name that is cut ends with a hash of the whole.
*/}}
{{- define "atelier.fullname" -}}
{{- $isAlias := ne .Chart.Name "katib-nas-atelier" -}}
{{- $suffix := ternary (.Chart.Name | lower | replace "_" "-") "atelier" $isAlias -}}
{{- $name := .Release.Name -}}
{{- if or $isAlias (not (contains "atelier" $name)) -}}{{- $name = printf "%s-%s" $name $suffix -}}{{- end -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if and (le (len $name) 45) (not $isAlias) -}}
{{- $name -}}
{{- else if include "atelier.fullname.was" . -}}
{{- include "atelier.fullname.was" . -}}
{{- else if le (len $name) 45 -}}
{{- $name -}}
{{- else -}}
{{- printf "%s-%s" ($name | trunc 38 | trimSuffix "-") (sha256sum $name | trunc 6) -}}
{{- end -}}
{{- end -}}

{{/*
The prefix that a release of 0.1.0 has, whose names were cut without a hash and had no alias, if its claim or Service is
there: an upgrade must not make another store. Without a cluster, as in Argo CD, fullnameOverride says it.
*/}}
{{- define "atelier.fullname.was" -}}
{{- $was := .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- if not (contains "atelier" .Release.Name) -}}
{{- $was = printf "%s-atelier" (.Release.Name | trunc 37 | trimSuffix "-") -}}
{{- end -}}
{{- $ours := dict -}}
{{- range $kind, $name := dict "PersistentVolumeClaim" "store" "Service" "server" -}}
{{- $labels := dig "metadata" "labels" dict (lookup "v1" $kind $.Release.Namespace (printf "%s-%s" $was $name)) -}}
{{- $isOurs := eq (index $labels "app.kubernetes.io/instance" | default "") $.Release.Name -}}
{{- if and $isOurs (eq (index $labels "app.kubernetes.io/name" | default "") $.Chart.Name) -}}
{{- $_ := set $ours "name" $was -}}
{{- end -}}
{{- end -}}
{{- with $ours.name }}{{ . }}{{ end -}}
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

{{/* The path below which the server is shown, if it is one, of an Ingress or a route; nothing for /. */}}
{{- define "atelier.root.path" -}}
{{- $paths := list -}}
{{- range $way := list .Values.server.ingress .Values.server.httpRoute -}}
{{- if $way.enabled -}}{{- $paths = append $paths (trimSuffix "/" $way.path) -}}{{- end -}}
{{- end -}}
{{- without $paths "" | uniq | join " " -}}
{{- end -}}

{{- define "atelier.store.name" -}}
{{- .Values.storage.existingClaim | default (printf "%s-store" (include "atelier.fullname" .)) -}}
{{- end -}}

{{- define "atelier.server.name" -}}{{ include "atelier.fullname" . }}-server{{- end -}}
{{- define "atelier.signed.by.name" -}}{{ include "atelier.fullname" . }}-signed-by{{- end -}}
{{- define "atelier.extractor.name" -}}{{ include "atelier.fullname" . }}-extractor{{- end -}}
{{- define "atelier.current.name" -}}{{ include "atelier.fullname" . }}-search{{- end -}}
{{- define "atelier.extractor.cronjob.name" -}}
{{- include "atelier.extractor.name" . | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- define "atelier.board.name" -}}{{ include "atelier.fullname" . }}-board{{- end -}}
{{- define "atelier.inspector.name" -}}{{ include "atelier.fullname" . }}-inspector{{- end -}}
{{- define "atelier.dashboard.name" -}}{{ include "atelier.fullname" . }}-dashboard{{- end -}}
{{- define "atelier.trial.name" -}}{{ include "atelier.fullname" . }}-trial{{- end -}}
{{- define "atelier.modules.name" -}}
{{- printf "%s-modules-%s" (include "atelier.fullname" .) (toJson .Values.trainer.modules | sha256sum | trunc 8) -}}
{{- end -}}
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
