{{/*
Labels of every object but the Experiment: Katib copies an Experiment's labels onto its pods.
Takes (dict "root" $ "component" "server").
*/}}
{{- define "atelier.labels" -}}
{{ include "atelier.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: katib-nas-atelier
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
{{- end -}}

{{/* Labels that never change: those of pods, and of the selectors that match them. */}}
{{- define "atelier.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name | quote }}
app.kubernetes.io/instance: {{ include "atelier.instance" .root | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Image reference. Takes (dict "root" $ "image" .Values.server.image). */}}
{{- define "atelier.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/*
Security context of every pod, as the restricted profile of Pod Security Standards requires it.
null leaves an id to the cluster, as OpenShift needs it.
*/}}
{{- define "atelier.pod.security" -}}
runAsNonRoot: true
{{- range $key := list "runAsUser" "runAsGroup" "fsGroup" }}
{{- $value := index $.Values.security $key }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }}: {{ $value | int64 }}
{{- end }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Security context of every container. */}}
{{- define "atelier.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Scheduling of a pod, and the Secrets for its images. Takes (dict "root" $ "pod" .Values.server.pod). */}}
{{- define "atelier.pod.placement" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
{{ toYaml . }}
{{- end }}
{{- $keys := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
{{- range $key := concat $keys (list "priorityClassName" "runtimeClassName") }}
{{- with index $.pod $key }}
{{ $key }}: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
The volumes of every pod: the store, temporary files, and the bearer token if "token" names a Secret.
Takes (dict "root" $ "readOnly" true "pod" .Values.server.pod "token" .Values.server.token).
*/}}
{{- define "atelier.volumes" -}}
- name: store
  persistentVolumeClaim:
    claimName: {{ include "atelier.store.name" .root | quote }}
    {{- if .readOnly }}
    readOnly: true
    {{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
{{- if (.token).existingSecret }}
- name: token
  secret:
    secretName: {{ .token.existingSecret | quote }}
    items:
      - {key: {{ .token.key | quote }}, path: token}
{{- end }}
{{- with .pod.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "atelier.mounts" -}}
- name: store
  mountPath: /store
  {{- if .readOnly }}
  readOnly: true
  {{- end }}
- name: tmp
  mountPath: /tmp
{{- if (.token).existingSecret }}
# the whole folder: the kubelet does not update a single file (subPath) when the Secret changes
- name: token
  mountPath: /etc/atelier
  readOnly: true
{{- end }}
{{- with .pod.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "atelier.env" -}}
- name: HOME
  value: /tmp
{{- with .env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
Whether an object of an optional API is rendered: "true" or nothing. Takes (dict "root" $ "api" "group/version/Kind").
validate.yaml fails where an API is missing that renderMode requires.
*/}}
{{- define "atelier.renders" -}}
{{- $isKnown := .root.Capabilities.APIVersions.Has .api -}}
{{- if or $isKnown (ne .root.Values.monitoring.renderMode "skipIfMissing") }}true{{ end -}}
{{- end -}}

{{/*
Annotations of objects that are kept when the release is uninstalled. Argo CD reads Helm's annotation as "do not
delete", not as "do not prune", and needs its own.
*/}}
{{- define "atelier.kept" -}}
helm.sh/resource-policy: keep
argocd.argoproj.io/sync-options: Prune=false
argocd.argoproj.io/compare-options: IgnoreExtraneous
{{- end -}}
