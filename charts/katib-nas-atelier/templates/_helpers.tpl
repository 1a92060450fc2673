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

{{/*
Labels of a pod: those of its values, and the ones that never change. "isolated": no service mesh puts a proxy beside it,
without end, so that its Job would never end.
Takes (dict "root" $ "component" "extractor" "pod" POD "isolated" true).
*/}}
{{- define "atelier.pod.labels" -}}
{{- $mesh := ternary (dict "sidecar.istio.io/inject" "false") dict (.isolated | default false) -}}
{{- mergeOverwrite $mesh (deepCopy (.pod.labels | default dict)) (include "atelier.selector" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* Annotations of a pod: those of its values. Takes the same. */}}
{{- define "atelier.pod.annotations" -}}
{{- $mesh := dict "sidecar.istio.io/inject" "false" "linkerd.io/inject" "disabled" -}}
{{- with mergeOverwrite (ternary $mesh dict (.isolated | default false)) (deepCopy (.pod.annotations | default dict)) -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{/* Labels of an object that makes pods: its own, and those of its pods' values. Takes the same. */}}
{{- define "atelier.pod.owner.labels" -}}
{{- mergeOverwrite (deepCopy (.pod.labels | default dict)) (include "atelier.labels" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* Service account of a pod, or nothing: the namespace's. Takes (dict "root" $ "pod" POD "own" NAME "always" true). */}}
{{- define "atelier.account" -}}
{{- $account := .pod.serviceAccount | default dict -}}
{{- if $account.name -}}
{{- $account.name -}}
{{- else if or .always $account.annotations -}}
{{- .own -}}
{{- end -}}
{{- end -}}

{{/* The ServiceAccount of the chart, if its pod has none of the user's. Takes the same and "component". */}}
{{- define "atelier.account.object" -}}
{{- if eq (include "atelier.account" .) .own }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .own }}
  labels: {{- include "atelier.labels" . | nindent 4 }}
  {{- with (.pod.serviceAccount).annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
{{- end -}}

{{/*
Image reference; the registry of an umbrella stands before a repository that names none.
Takes (dict "root" $ "image" .Values.server.image).
*/}}
{{- define "atelier.image" -}}
{{- $registry := .root.Values.global.imageRegistry | default "" -}}
{{- $first := first (splitList "/" .image.repository) -}}
{{- $names := and (contains "/" .image.repository) (or (regexMatch "[.:]" $first) (eq $first "localhost")) -}}
{{- $repository := ternary .image.repository (printf "%s/%s" $registry .image.repository) (or $names (eq $registry "")) -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.image.tag | default .root.Chart.AppVersion) -}}
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
The volumes of every pod: the store, temporary files, and what is named: the bearer token if "token" names a Secret, the
public keys if "signedBy" has any. Takes (dict "root" $ "readOnly" true "pod" POD "token" TOKEN "signedBy" KEYS).
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
{{- if include "atelier.has.keys" .signedBy }}
- name: signed-by
  projected:
    sources:
      {{- if .signedBy.publicKey }}
      - configMap:
          name: {{ include "atelier.signed.by.name" .root }}
      {{- end }}
      {{- with .signedBy.existingConfigMap }}
      - configMap:
          name: {{ . | quote }}
          items:
            - {key: {{ $.signedBy.key | quote }}, path: configmap.pub}
      {{- end }}
      {{- with .signedBy.existingSecret }}
      - secret:
          name: {{ . | quote }}
          items:
            - {key: {{ $.signedBy.key | quote }}, path: secret.pub}
      {{- end }}
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
{{- if include "atelier.has.keys" .signedBy }}
- name: signed-by
  mountPath: /etc/atelier-signed-by
  readOnly: true
{{- end }}
{{- with .pod.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* "true" if there are public keys, of which one must have signed what is served; takes the values of signedBy. */}}
{{- define "atelier.has.keys" -}}
{{- with . -}}
{{- if or .publicKey .existingConfigMap .existingSecret -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Environment of a container: that of its pod's values, and what is said for all containers and not there.
Takes (dict "root" $ "pod" POD); "trains" true adds what trials need to download and import.
*/}}
{{- define "atelier.env" -}}
{{- $names := list -}}
{{- range .pod.env }}{{ $names = append $names .name }}{{ end -}}
{{- $said := list -}}
{{- range .root.Values.env }}{{ $said = append $said .name }}{{ end -}}
{{- $more := list (dict "name" "HOME" "value" "/tmp") -}}
{{- if .trains -}}
{{- if .root.Values.trainer.modules -}}
{{- $more = append $more (dict "name" "ATELIER_MODULES" "value" "/etc/atelier-modules") -}}
{{- end -}}
{{- if .root.Values.trustedCA.configMap -}}
{{- $file := printf "/etc/atelier-ca/%s" .root.Values.trustedCA.key -}}
{{- $more = concat $more (list (dict "name" "SSL_CERT_FILE" "value" $file) (dict "name" "REQUESTS_CA_BUNDLE" "value" $file)) -}}
{{- end -}}
{{- end -}}
{{- $all := list -}}
{{- range $more -}}
{{- if not (has .name (concat $names $said)) -}}{{- $all = append $all . -}}{{- end -}}
{{- end -}}
{{- range .root.Values.env -}}
{{- if not (has .name $names) -}}{{- $all = append $all . -}}{{- end -}}
{{- end -}}
{{- toYaml (concat $all .pod.env) -}}
{{- end -}}

{{/* Volumes that trials need to download and import, and their mounts. Both take the root. */}}
{{- define "atelier.training.volumes" -}}
{{- if .Values.trainer.modules }}
- name: modules
  configMap:
    name: {{ include "atelier.modules.name" . }}
{{- end }}
{{- with .Values.trustedCA.configMap }}
- name: trusted-ca
  configMap:
    name: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "atelier.training.mounts" -}}
{{- if .Values.trainer.modules }}
- name: modules
  mountPath: /etc/atelier-modules
  readOnly: true
{{- end }}
{{- if .Values.trustedCA.configMap }}
- name: trusted-ca
  mountPath: /etc/atelier-ca
  readOnly: true
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
