{{/* Egress rules that several policies share; each is one item of an egress list. */}}

{{- define "atelier.network.dns" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/*
The API server is no pod, so no selector matches it: the rule allows its ports. A policy sees the port of the endpoint
behind the Service kubernetes, which differs between clusters.
*/}}
{{- define "atelier.network.api" -}}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {port: {{ . | int64 }}}
    {{- end }}
{{- end -}}

{{/* Trials may download only if the profile has URLs, and only to the ports of these URLs. */}}
{{- define "atelier.network.downloads" -}}
{{- $ports := dict -}}
{{- range .Values.trainer.data.files -}}
{{- with .url -}}
{{- $_ := set $ports (ternary "80" "443" (hasPrefix "http:" .)) true -}}
{{- end -}}
{{- end -}}
{{- if $ports }}
- ports:
    {{- range $port, $_ := $ports }}
    - {port: {{ $port }}}
    {{- end }}
{{- end }}
{{- with .Values.networkPolicy.trialEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}
