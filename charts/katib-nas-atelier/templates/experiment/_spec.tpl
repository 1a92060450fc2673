{{/*
A search: the spec.json in the ConfigMap that every trial reads (the command writes the same on one machine), and the
Experiment. Both take (dict "root" $ "name" NAME); the hash in the name is that of both with an empty name.
*/}}

{{/* A number or truth value as text, which Katib requires. toJson writes 1000000 where toString writes 1e+06. */}}
{{- define "atelier.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{- define "atelier.search.parameters" -}}
{{- range .Values.experiment.parameters }}
{{- $space := dict }}
{{- range $key, $value := .feasibleSpace }}
{{- if eq $key "list" }}
{{- $texts := list }}
{{- range $value }}{{ $texts = append $texts (include "atelier.text" .) }}{{ end }}
{{- $_ := set $space $key $texts }}
{{- else if not (kindIs "invalid" $value) }}
{{- $_ := set $space $key (include "atelier.text" $value) }}
{{- end }}
{{- end }}
- name: {{ .name | quote }}
  parameterType: {{ .parameterType }}
  feasibleSpace: {{ toJson $space }}
{{- end }}
{{- end -}}

{{- define "atelier.search.settings" -}}
{{- range . }}
- name: {{ .name | quote }}
  value: {{ include "atelier.text" .value | quote }}
{{- end }}
{{- end -}}

{{/* The map without its nulls. */}}
{{- define "atelier.said" -}}
{{- $said := dict -}}
{{- range $key, $value := . -}}
{{- if kindIs "map" $value -}}
{{- $_ := set $said $key (include "atelier.said" $value | fromJson) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $said $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $said -}}
{{- end -}}

{{/* spec.json: the merged profile without the values of the cluster. */}}
{{- define "atelier.search.spec" -}}
{{- $experiment := omit .root.Values.experiment "enabled" "parameters" "algorithm" "earlyStopping" "stopWhen" "objectives" "tolerance" "experience" -}}
{{- $_ := set $experiment "name" (include "atelier.search.prefix" .root) -}}
{{- $_ := set $experiment "parameters" (include "atelier.search.parameters" .root | fromYamlArray) -}}
{{- $_ := set $experiment "maxFailedTrialCount" (include "atelier.search.failed" .root | int64) -}}
{{- range $chooser := list "algorithm" "earlyStopping" -}}
{{- $chosen := index $.root.Values.experiment $chooser -}}
{{- $settings := include "atelier.search.settings" $chosen.algorithmSettings | fromYamlArray -}}
{{- $_ := set $experiment $chooser (set (omit $chosen "algorithmSettings") "algorithmSettings" $settings) -}}
{{- end -}}
{{- $_ := set $experiment.algorithm "algorithmName" (include "atelier.search.algorithm" .root) -}}
{{- if kindIs "string" $experiment.shortlist -}}{{- $experiment = omit $experiment "shortlist" -}}{{- end -}}
{{- $trainer := omit .root.Values.trainer "resources" "image" "pod" "modules" -}}
{{- if eq (toString $trainer.classWeights) "none" -}}{{- $trainer = omit $trainer "classWeights" -}}{{- end -}}
{{- if ne (toString $trainer.keepWeights) "best" -}}{{- $trainer = omit $trainer "keepWeights" -}}{{- end -}}
{{- if ne (toString $trainer.finish.mirror) "true" -}}{{- $_ := set $trainer "finish" (omit $trainer.finish "mirror") -}}{{- end -}}
{{- if empty (include "atelier.said" $trainer.finish | fromJson) -}}{{- $trainer = omit $trainer "finish" -}}{{- end -}}
{{- $spec := dict "schemaVersion" 1 "experiment" $experiment "trainer" $trainer -}}
{{- with .name -}}{{- $_ := set $spec "name" . -}}{{- end -}}
{{- include "atelier.said" $spec -}}
{{- end -}}

{{/* Number of parallel trials. auto is Katib's default, since the chart does not know the nodes. */}}
{{- define "atelier.search.parallel" -}}
{{- $experiment := .Values.experiment -}}
{{- if eq (toString $experiment.parallelTrialCount) "auto" -}}
{{- min (.Facts.parallelTrials | int64) ($experiment.maxTrialCount | int64) -}}
{{- else -}}
{{- $experiment.parallelTrialCount | int64 -}}
{{- end -}}
{{- end -}}

{{/* Number of failed trials that end the search; auto is a number of facts.json, or all where there are fewer. */}}
{{- define "atelier.search.failed" -}}
{{- $experiment := .Values.experiment -}}
{{- if eq (toString $experiment.maxFailedTrialCount) "auto" -}}
{{- $most := .Facts.failedTrials | int64 -}}
{{- min $most ($experiment.maxTrialCount | int64) -}}
{{- else -}}
{{- $experiment.maxFailedTrialCount | int64 -}}
{{- end -}}
{{- end -}}

{{/* The algorithm that suggests; auto is one that Katib has in every cluster. */}}
{{- define "atelier.search.algorithm" -}}
{{- $name := .Values.experiment.algorithm.algorithmName -}}
{{- if eq $name "auto" }}{{ .Facts.algorithm }}{{ else }}{{ $name }}{{ end -}}
{{- end -}}

{{/* "true" if the searcher of this project suggests, which a cluster's administrator registers in Katib. */}}
{{- define "atelier.search.ours" -}}
{{- if eq (include "atelier.search.algorithm" .) "atelier" }}true{{ end -}}
{{- end -}}

{{/*
Metrics by which a trial tells our suggestion service where on its curve it ended: the objective at each rung and at
the last epoch, a list as JSON. atelier_store/marks.py has the same names.
*/}}
{{- define "atelier.search.marks" -}}
{{- $marks := list -}}
{{- if include "atelier.search.ours" . -}}
{{- $stopping := .Values.experiment.earlyStopping -}}
{{- $last := .Values.trainer.maxEpochs | int64 -}}
{{- $epochs := list -}}
{{- if eq $stopping.algorithmName "halving" -}}
{{- $chosen := deepCopy .Facts.halving -}}
{{- range $stopping.algorithmSettings }}{{ $_ := set $chosen .name (include "atelier.text" .value | int64) }}{{ end -}}
{{- $epoch := $chosen.min_epochs | int64 -}}
{{- range until 64 -}}
{{- if lt $epoch $last }}{{ $epochs = append $epochs $epoch }}{{ $epoch = mul $epoch $chosen.eta }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range append $epochs $last -}}
{{- $marks = append $marks (printf "%s_at_%d" $.Values.experiment.objective.objectiveMetricName .) -}}
{{- end -}}
{{- end -}}
{{- toJson $marks -}}
{{- end -}}

{{/* The spec as our suggestion service reads it: without where data come from, and without counts, which may be raised. */}}
{{- define "atelier.search.known" -}}
{{- $spec := include "atelier.search.spec" . | fromJson -}}
{{- $_ := unset $spec.trainer.data "files" -}}
{{- range list "parallelTrialCount" "maxTrialCount" "maxFailedTrialCount" }}{{ $_ := unset $spec.experiment . }}{{ end -}}
{{- toJson $spec -}}
{{- end -}}

{{/*
Spec of the Experiment, with every field that Katib's defaulter would add: Argo CD and Helm 4 compare the live object
with the rendered one.
*/}}
{{- define "atelier.experiment.spec" -}}
{{- $root := .root -}}
{{- $experiment := $root.Values.experiment -}}
{{- $objective := $experiment.objective -}}
{{- $others := concat ($objective.additionalMetricNames | default list) (include "atelier.search.marks" $root | fromJsonArray) -}}
objective:
  type: {{ $objective.type }}
  {{- if not (kindIs "invalid" $objective.goal) }}
  goal: {{ $objective.goal }}
  {{- end }}
  objectiveMetricName: {{ $objective.objectiveMetricName }}
  {{- with $others }}
  additionalMetricNames: {{ toJson . }}
  {{- end }}
  # latest: a trial prints the value of the weights that it keeps
  metricStrategies:
    {{- range prepend $others $objective.objectiveMetricName }}
    - name: {{ . }}
      value: latest
    {{- end }}
algorithm:
  algorithmName: {{ include "atelier.search.algorithm" $root }}
  {{- if include "atelier.search.ours" $root }}
  # what the suggestion service knows of the search: it has neither the store nor the ConfigMap
  algorithmSettings:
    - name: spec
      value: {{ include "atelier.search.known" . | quote }}
  {{- else if $experiment.algorithm.algorithmSettings }}
  algorithmSettings: {{- include "atelier.search.settings" $experiment.algorithm.algorithmSettings | nindent 4 }}
  {{- end }}
{{- if eq $experiment.earlyStopping.algorithmName "medianstop" }}
earlyStopping:
  algorithmName: medianstop
  {{- with $experiment.earlyStopping.algorithmSettings }}
  algorithmSettings: {{- include "atelier.search.settings" . | nindent 4 }}
  {{- end }}
{{- end }}
parallelTrialCount: {{ include "atelier.search.parallel" $root }}
maxTrialCount: {{ $experiment.maxTrialCount | int64 }}
maxFailedTrialCount: {{ include "atelier.search.failed" $root }}
resumePolicy: {{ $root.Values.katib.resumePolicy }}
parameters:
  {{- range include "atelier.search.parameters" $root | fromYamlArray }}
  {{- $_ := set .feasibleSpace "distribution" (.feasibleSpace.distribution | default "uniform") }}
  - {{ toYaml . | nindent 4 | trim }}
  {{- end }}
metricsCollectorSpec:
  collector:
    kind: StdOut
trialTemplate:
  primaryContainerName: trial
  retain: {{ $root.Values.trainer.pod.retain }}
  successCondition: status.conditions.#(type=="Complete")#|#(status=="True")#
  failureCondition: status.conditions.#(type=="Failed")#|#(status=="True")#
  trialParameters:
    - name: trialName
      description: Name of the trial
      reference: ${trialSpec.Name}
    {{- range $experiment.parameters }}
    - name: {{ .name | quote }}
      description: {{ printf "Parameter %s of the search space" .name }}
      reference: {{ .name | quote }}
    {{- end }}
  trialSpec: {{- include "atelier.trial.job" . | nindent 4 }}
{{- end -}}

{{/*
Hash of all that defines a search: fields of the Experiment that Katib does not let change, and the spec of trials.
Counts are left out, as they may be raised; labels, key order and the chart's version do not matter. The root keeps it:
many names need it, and it costs as much as the rest of the chart.
*/}}
{{- define "atelier.experiment.hash" -}}
{{- if not (hasKey . "SearchHash") -}}
{{- $nameless := dict "root" . "name" "" -}}
{{- $counts := list "parallelTrialCount" "maxTrialCount" "maxFailedTrialCount" -}}
{{- $spec := include "atelier.experiment.spec" $nameless | fromYaml -}}
{{- $config := include "atelier.search.spec" $nameless | fromJson -}}
{{- range $counts -}}
{{- $_ := unset $spec . -}}
{{- $_ := unset $config.experiment . -}}
{{- end -}}
{{- $all := list .Release.Namespace (include "atelier.instance" .) $spec $config -}}
{{- $_ := set . "SearchHash" ($all | toJson | sha256sum | trunc 8) -}}
{{- end -}}
{{- .SearchHash -}}
{{- end -}}
