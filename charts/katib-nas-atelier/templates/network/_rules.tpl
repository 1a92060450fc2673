{{/* Rules that several policies share; each is one item of an egress list. */}}

{{- define "atelier.network.dns" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/* The API server has an address and no pod; its port after translation differs from cluster to cluster. */}}
{{- define "atelier.network.api" -}}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {port: {{ . | int64 }}}
    {{- end }}
{{- end -}}

{{/* Only a profile that names addresses lets its trials out, and only there where addresses lead. */}}
{{- define "atelier.network.downloads" -}}
{{- $ports := dict -}}
{{- range .Values.trainer.data.files -}}
{{- with .url -}}
{{- $_ := set $ports (ternary "443" "80" (hasPrefix "https" .)) true -}}
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
