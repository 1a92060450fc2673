{{- define "atelier.inspector.job" -}}
backoffLimit: 0
# deleted as soon as it has finished
ttlSecondsAfterFinished: 0
template:
  metadata:
    {{- $of := dict "root" . "component" "inspector" "pod" .Values.inspector.pod "own" (include "atelier.inspector.name" .) }}
    labels: {{- include "atelier.pod.labels" (merge (dict "isolated" true) $of) | nindent 6 }}
    annotations: {{- include "atelier.pod.annotations" (merge (dict "isolated" true) $of) | nindent 6 }}
  spec:
    restartPolicy: Never
    {{- with include "atelier.account" $of }}
    serviceAccountName: {{ . | quote }}
    {{- end }}
    automountServiceAccountToken: false
    enableServiceLinks: false
    terminationGracePeriodSeconds: 0
    securityContext: {{- include "atelier.pod.security" . | nindent 6 }}
    {{- with include "atelier.pod.placement" (dict "root" . "pod" .Values.inspector.pod) | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    containers:
      - name: inspector
        image: {{ include "atelier.image" (dict "root" . "image" .Values.server.image) | quote }}
        imagePullPolicy: {{ .Values.server.image.pullPolicy }}
        command: [sleep, {{ .Values.inspector.seconds | int64 | quote }}]
        workingDir: /store
        env: {{- include "atelier.env" (dict "root" . "pod" .Values.inspector.pod) | nindent 10 }}
        resources: {{- toYaml .Values.inspector.resources | nindent 10 }}
        securityContext: {{- include "atelier.container.security" . | nindent 10 }}
        volumeMounts: {{- include "atelier.mounts" (dict "readOnly" true "pod" .Values.inspector.pod) | nindent 10 }}
    volumes: {{- include "atelier.volumes" (dict "root" . "readOnly" true "pod" .Values.inspector.pod) | nindent 6 }}
{{- end -}}
