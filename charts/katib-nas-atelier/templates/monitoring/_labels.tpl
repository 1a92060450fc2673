{{/*
Labels of objects that Prometheus and Grafana select by labels: ours, overridden by the user's.
Takes (dict "root" $ "labels" .Values.monitoring.serviceMonitor.labels).
*/}}
{{- define "atelier.monitoring.labels" -}}
{{- mergeOverwrite (include "atelier.labels" (dict "root" .root "component" "server") | fromYaml) .labels | toYaml -}}
{{- end -}}
