{{- define "atelier.inspector.job" -}}
backoffLimit: 0
# deleted as soon as it has finished
ttlSecondsAfterFinished: 0
template:
  metadata:
    labels: {{- include "atelier.selector" (dict "root" . "component" "inspector") | nindent 6 }}
      sidecar.istio.io/inject: "false"
  spec:
    restartPolicy: Never
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
        env: {{- include "atelier.env" .Values.inspector.pod | nindent 10 }}
        resources:
          requests: {cpu: 10m, memory: 32Mi}
          limits: {memory: 512Mi}
        securityContext: {{- include "atelier.container.security" . | nindent 10 }}
        volumeMounts: {{- include "atelier.mounts" (dict "readOnly" true "pod" .Values.inspector.pod) | nindent 10 }}
    volumes: {{- include "atelier.volumes" (dict "root" . "readOnly" true "pod" .Values.inspector.pod) | nindent 6 }}
{{- end -}}
