{{/*
Spec of the Job that ends a search: serve the version that promotion.version names, at once; wait for the Experiment,
resume what halving paused too early and train the winner's tail, promote. Each step can run again at any time. This is
the chart's only pod that accesses the API server; of its containers `finish` does not, since it may run networks of the
user.
*/}}
{{- define "atelier.extractor.job" -}}
{{- $server := .Values.server -}}
{{- $extractor := .Values.extractor -}}
{{- $experiment := include "atelier.experiment.name" . -}}
{{- $of := dict "root" . "component" "extractor" "pod" $extractor.pod "own" (include "atelier.extractor.name" .) -}}
{{- $mounts := include "atelier.mounts" (dict "readOnly" false "pod" $extractor.pod) -}}
{{- $access := include "atelier.extractor.access.mount" . -}}
backoffLimit: 2
activeDeadlineSeconds: {{ $extractor.timeoutSeconds | int64 }}
# a pod that is evicted is made again, however often; one that fails by itself is tried twice more
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
template:
  metadata:
    labels: {{- include "atelier.pod.labels" (merge (dict "isolated" true) $of) | nindent 6 }}
    annotations: {{- include "atelier.pod.annotations" (merge (dict "isolated" true) $of) | nindent 6 }}
  spec:
    restartPolicy: Never
    serviceAccountName: {{ include "atelier.account" (merge (dict "always" true) $of) | quote }}
    automountServiceAccountToken: false
    enableServiceLinks: false
    securityContext: {{- include "atelier.pod.security" . | nindent 6 }}
    {{- $place := include "atelier.extractor.place" . | fromYaml }}
    {{- with include "atelier.pod.placement" (dict "root" . "pod" $place) | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    initContainers:
      {{- with .Values.promotion.version }}
      - name: choose
        image: {{ include "atelier.image" (dict "root" $ "image" $server.image) | quote }}
        imagePullPolicy: {{ $server.image.pullPolicy }}
        command: [python, -m, atelier_server, promote]
        args:
          - --store=/store
          - --model={{ include "atelier.model.name" $ }}
          - --version={{ . }}
          - --why=promotion.version of release {{ include "atelier.instance" $ }}
          {{- with include "atelier.extractor.sign.argument" $ }}
          {{- . | nindent 10 }}
          {{- end }}
        env: {{- include "atelier.env" (dict "root" $ "pod" $extractor.pod) | nindent 10 }}
          - name: ATELIER_CURRENT_SEARCH
            value: /etc/atelier-search/experiment
        resources: {{- toYaml $extractor.resources | nindent 10 }}
        securityContext: {{- include "atelier.container.security" $ | nindent 10 }}
        volumeMounts: {{- $mounts | nindent 10 }}
          - name: search
            mountPath: /etc/atelier-search
            readOnly: true
          {{- with include "atelier.extractor.sign.mount" $ }}
          {{- . | nindent 10 }}
          {{- end }}
      {{- end }}
      - name: wait
        image: {{ include "atelier.image" (dict "root" . "image" $server.image) | quote }}
        imagePullPolicy: {{ $server.image.pullPolicy }}
        command: [python, -m, atelier_server, wait]
        args:
          - --store=/store
          - --experiment={{ $experiment }}
          - --model={{ include "atelier.model.name" . }}
          - --namespace={{ .Release.Namespace }}
          # it stops before the Job's deadline, which would end it without a message
          - --timeout={{ max 1 (sub ($extractor.timeoutSeconds | int64) 30) }}
        env: {{- include "atelier.env" (dict "root" . "pod" $extractor.pod) | nindent 10 }}
          - name: ATELIER_CURRENT_SEARCH
            value: /etc/atelier-search/experiment
        resources: {{- toYaml $extractor.resources | nindent 10 }}
        securityContext: {{- include "atelier.container.security" . | nindent 10 }}
        volumeMounts: {{- $mounts | nindent 10 }}
          {{- $access | nindent 10 }}
          - name: search
            mountPath: /etc/atelier-search
            readOnly: true
      {{- if include "atelier.finishes" . }}
      - name: finish
        image: {{ include "atelier.image" (dict "root" . "image" .Values.trainer.image) | quote }}
        imagePullPolicy: {{ .Values.trainer.image.pullPolicy }}
        command: [python, -m, atelier_trainer]
        args:
          - --spec=/etc/atelier/spec.json
          - --store=/store
          - --finish
        env: {{- include "atelier.env" (dict "root" . "pod" .Values.trainer.pod "trains" true) | nindent 10 }}
          - name: ATELIER_CURRENT_SEARCH
            value: /etc/atelier-search/experiment
        # A pod reserves the largest requests of its init containers from the start: with a trial's requests it would
        # take the place of a trial for as long as it waits.
        {{- $limits := .Values.trainer.resources.limits }}
        resources: {{- toYaml (dict "requests" $extractor.resources.requests "limits" $limits) | nindent 10 }}
        securityContext: {{- include "atelier.container.security" . | nindent 10 }}
        volumeMounts: {{- $mounts | nindent 10 }}
          - name: spec
            mountPath: /etc/atelier
            readOnly: true
          - name: search
            mountPath: /etc/atelier-search
            readOnly: true
          {{- with include "atelier.training.mounts" . | trim }}
          {{- . | nindent 10 }}
          {{- end }}
          {{- range .Values.trainer.pod.volumeMounts }}
          {{- if not (has . $extractor.pod.volumeMounts) }}
          - {{ toYaml . | nindent 12 | trim }}
          {{- end }}
          {{- end }}
      {{- end }}
    containers:
      - name: promote
        image: {{ include "atelier.image" (dict "root" . "image" $server.image) | quote }}
        imagePullPolicy: {{ $server.image.pullPolicy }}
        command: [python, -m, atelier_server, promote]
        args:
          - --store=/store
          - --experiment={{ $experiment }}
          - --model={{ include "atelier.model.name" . }}
          - --policy={{ .Values.promotion.policy }}
          {{- with .Values.promotion.version }}
          - --held={{ . }}
          {{- end }}
          - --namespace={{ .Release.Namespace }}
          {{- with include "atelier.extractor.sign.argument" . }}
          {{- . | nindent 10 }}
          {{- end }}
        env: {{- include "atelier.env" (dict "root" . "pod" $extractor.pod) | nindent 10 }}
          - name: ATELIER_CURRENT_SEARCH
            value: /etc/atelier-search/experiment
        resources: {{- toYaml $extractor.resources | nindent 10 }}
        securityContext: {{- include "atelier.container.security" . | nindent 10 }}
        volumeMounts: {{- $mounts | nindent 10 }}
          {{- $access | nindent 10 }}
          - name: search
            mountPath: /etc/atelier-search
            readOnly: true
          {{- with include "atelier.extractor.sign.mount" . }}
          {{- . | nindent 10 }}
          {{- end }}
    volumes: {{- include "atelier.volumes" (dict "root" . "readOnly" false "pod" $extractor.pod) | nindent 6 }}
      {{- include "atelier.extractor.access.volume" . | nindent 6 }}
      - name: search
        configMap:
          name: {{ include "atelier.current.name" . }}
      {{- with .Values.promotion.sign.existingSecret }}
      - name: sign
        secret:
          secretName: {{ . | quote }}
          items:
            - {key: {{ $.Values.promotion.sign.key | quote }}, path: key.pem}
      {{- end }}
      {{- if include "atelier.finishes" . }}
      - name: spec
        configMap:
          name: {{ $experiment }}
      {{- with include "atelier.training.volumes" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- range .Values.trainer.pod.volumes }}
      {{- if not (has . $extractor.pod.volumes) }}
      - {{ toYaml . | nindent 8 | trim }}
      {{- end }}
      {{- end }}
      {{- end }}
{{- end -}}

{{/* The account's token, as Kubernetes itself would mount it, into every container. */}}
{{- define "atelier.extractor.access.volume" -}}
- name: access
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3607
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end -}}

{{- define "atelier.extractor.access.mount" -}}
- name: access
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end -}}

{{/* The private key, for the containers that promote; `finish` may run networks of the user, and has none. */}}
{{- define "atelier.extractor.sign.argument" -}}
{{- if .Values.promotion.sign.existingSecret -}}
- --sign=/etc/atelier-sign/key.pem
{{- end -}}
{{- end -}}

{{- define "atelier.extractor.sign.mount" -}}
{{- if .Values.promotion.sign.existingSecret -}}
- name: sign
  mountPath: /etc/atelier-sign
  readOnly: true
{{- end -}}
{{- end -}}

{{/* Scheduling of the pod: extractor.pod, and for keys not set there, if it may have to train, trainer.pod. */}}
{{- define "atelier.extractor.place" -}}
{{- $place := deepCopy .Values.extractor.pod -}}
{{- if include "atelier.finishes" . -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "runtimeClassName" -}}
{{- $_ := set $place $key (index $.Values.extractor.pod $key | default (index $.Values.trainer.pod $key)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $place -}}
{{- end -}}

{{/* Without a search there is nothing to promote. */}}
{{- define "atelier.extractor.mode" -}}
{{- ternary .Values.extractor.mode "none" .Values.experiment.enabled -}}
{{- end -}}

{{/* "true" if there may be something left to train, or to put together, after the Experiment has ended. */}}
{{- define "atelier.finishes" -}}
{{- $isHalving := eq .Values.experiment.earlyStopping.algorithmName "halving" -}}
{{- if or $isHalving (gt (.Values.trainer.tailEpochs | int64) 0) (include "atelier.search.tries" .) }}true{{ end -}}
{{- end -}}
