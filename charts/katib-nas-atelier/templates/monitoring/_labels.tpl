{{/*
Labels of what Prometheus and Grafana find by labels: ours, and the user's over them. Takes (dict "root" $ "labels" .Values.monitoring.serviceMonitor.labels).
*/}}
{{- define "atelier.monitoring.labels" -}}
{{- mergeOverwrite (include "atelier.labels" (dict "root" .root "component" "server") | fromYaml) .labels | toYaml -}}
{{- end -}}
