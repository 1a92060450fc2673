{{/*
The root without what changes no training and is not part of the search's name, for the hash: where images come from,
and the environment and certificates of all containers.
*/}}
{{- define "atelier.settled" -}}
{{- $values := mergeOverwrite (deepCopy .Values) (dict "env" list "trustedCA" (dict "configMap" "")) -}}
{{- $_ := set $values "global" dict -}}
{{- dict "Values" $values "Release" .Release "Chart" (dict "Name" .Chart.Name "AppVersion" .Chart.AppVersion) | toJson -}}
{{- end -}}

{{/*
The Job of one trial. Katib replaces ${trialParameters.…} in its text and runs the command in a shell: no argument may
have characters that a shell interprets.
Takes (dict "root" $ "name" EXPERIMENT).
*/}}
{{- define "atelier.trial.job" -}}
{{- $root := .root -}}
{{- $trainer := $root.Values.trainer -}}
{{- $pod := $trainer.pod -}}
{{- if not .name -}}{{- $pod = omit $pod "labels" "annotations" "serviceAccount" -}}{{- end -}}
{{- $settled := $root -}}
{{- if not .name -}}{{- $settled = include "atelier.settled" $root | fromJson -}}{{- end -}}
{{- $of := dict "root" $root "component" "trial" "pod" $pod "own" (include "atelier.trial.name" $root) -}}
apiVersion: batch/v1
kind: Job
{{- if or $pod.labels $pod.annotations }}
metadata:
  {{- with $pod.labels }}
  labels: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $pod.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
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
      labels: {{- include "atelier.pod.labels" (merge (dict "isolated" true) $of) | nindent 8 }}
      annotations:
        {{- $mesh := dict "sidecar.istio.io/inject" "false" }}
        {{- mergeOverwrite $mesh (deepCopy ($pod.annotations | default dict)) | toYaml | nindent 8 }}
    spec:
      restartPolicy: Never
      {{- with include "atelier.account" $of }}
      serviceAccountName: {{ . | quote }}
      {{- end }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 60
      securityContext: {{- include "atelier.pod.security" $root | nindent 8 }}
      {{- with include "atelier.pod.placement" (dict "root" $root "pod" $trainer.pod) | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: trial
          image: {{ include "atelier.image" (dict "root" $settled "image" $trainer.image) | quote }}
          imagePullPolicy: {{ $trainer.image.pullPolicy }}
          command: [python, -m, atelier_trainer]
          args:
            - --spec=/etc/atelier/spec.json
            - --store=/store
            - --trial=${trialParameters.trialName}
            {{- if include "atelier.search.ours" $root }}
            - --resumed-at=$(RESUMED_AT)
            {{- end }}
            {{- range $root.Values.experiment.parameters }}
            - {{ .name }}=${trialParameters.{{ .name }}}
            {{- end }}
          env: {{- include "atelier.env" (dict "root" $settled "pod" $pod "trains" true) | nindent 12 }}
            {{- if include "atelier.search.ours" $root }}
            # the rung where its network paused and goes on: Katib gives the pod the labels that our service gave the trial
            - name: RESUMED_AT
              valueFrom:
                fieldRef:
                  fieldPath: metadata.labels['atelier/resumed-at']
            {{- end }}
          resources: {{- toYaml $trainer.resources | nindent 12 }}
          securityContext: {{- include "atelier.container.security" $root | nindent 12 }}
          volumeMounts: {{- include "atelier.mounts" (dict "readOnly" false "pod" $trainer.pod) | nindent 12 }}
            - name: spec
              mountPath: /etc/atelier
              readOnly: true
            {{- with include "atelier.training.mounts" $settled | trim }}
            {{- . | nindent 12 }}
            {{- end }}
      volumes: {{- include "atelier.volumes" (dict "root" $root "readOnly" false "pod" $trainer.pod) | nindent 8 }}
        - name: spec
          configMap:
            name: {{ .name | quote }}
        {{- with include "atelier.training.volumes" $settled | trim }}
        {{- . | nindent 8 }}
        {{- end }}
{{- end -}}
