{{/*
The Job of one trial. Katib replaces ${trialParameters.…} in its text and runs the command in a shell: no argument may
have characters that a shell interprets.
Takes (dict "root" $ "name" EXPERIMENT).
*/}}
{{- define "atelier.trial.job" -}}
{{- $root := .root -}}
{{- $trainer := $root.Values.trainer -}}
apiVersion: batch/v1
kind: Job
spec:
  backoffLimit: 0
  activeDeadlineSeconds: {{ $trainer.pod.timeoutSeconds | int64 }}
  # an evicted pod restarts and continues from its checkpoint; one that fails by itself would fail again
  podFailurePolicy:
    rules:
      - action: Ignore
        onPodConditions:
          - type: DisruptionTarget
            status: "True"
  template:
    metadata:
      labels: {{- include "atelier.selector" (dict "root" $root "component" "trial") | nindent 8 }}
        sidecar.istio.io/inject: "false"
      annotations:
        sidecar.istio.io/inject: "false"
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 60
      securityContext: {{- include "atelier.pod.security" $root | nindent 8 }}
      {{- with include "atelier.pod.placement" (dict "root" $root "pod" $trainer.pod) | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: trial
          image: {{ include "atelier.image" (dict "root" $root "image" $trainer.image) | quote }}
          imagePullPolicy: {{ $trainer.image.pullPolicy }}
          command: [python, -m, atelier_trainer]
          args:
            - --spec=/etc/atelier/spec.json
            - --store=/store
            - --trial=${trialParameters.trialName}
            {{- range $root.Values.experiment.parameters }}
            - {{ .name }}=${trialParameters.{{ .name }}}
            {{- end }}
          env: {{- include "atelier.env" $trainer.pod | nindent 12 }}
          resources: {{- toYaml $trainer.resources | nindent 12 }}
          securityContext: {{- include "atelier.container.security" $root | nindent 12 }}
          volumeMounts: {{- include "atelier.mounts" (dict "readOnly" false "pod" $trainer.pod) | nindent 12 }}
            - name: spec
              mountPath: /etc/atelier
              readOnly: true
      volumes: {{- include "atelier.volumes" (dict "root" $root "readOnly" false "pod" $trainer.pod) | nindent 8 }}
        - name: spec
          configMap:
            name: {{ .name | quote }}
{{- end -}}
