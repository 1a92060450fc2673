{{/*
What validate.yaml collects. Each check takes (dict "root" $ "facts" FACTS) and prints one violation a line: where: what, and what is allowed.
*/}}

{{- define "atelier.check.names" -}}
{{- $root := .root -}}
{{- if regexMatch "^[0-9]" (include "atelier.fullname" $root) }}
release name: {{ $root.Release.Name | quote }} begins with a digit, which Services and Experiments do not allow; begin with a letter, or set fullnameOverride
{{- end }}
{{- if contains "." $root.Release.Name }}
release name: {{ $root.Release.Name | quote }} holds a dot, which Services do not allow
{{- end }}
{{- end -}}

{{- define "atelier.check.experiment.name" -}}
{{- $name := include "atelier.experiment.name" .root }}
{{- if gt (len $name) 40 }}
experiment.name: {{ $name | quote }} has {{ len $name }} characters; Katib allows 40
{{- end }}
{{- end -}}

{{- define "atelier.check.counts" -}}
{{- $experiment := .root.Values.experiment -}}
{{- $most := $experiment.maxTrialCount | int64 -}}
{{- if and (ne (toString $experiment.parallelTrialCount) "auto") (gt ($experiment.parallelTrialCount | int64) $most) }}
experiment.parallelTrialCount: {{ $experiment.parallelTrialCount }} is more than maxTrialCount {{ $most }}
{{- end }}
{{- if gt ($experiment.maxFailedTrialCount | int64) $most }}
experiment.maxFailedTrialCount: {{ $experiment.maxFailedTrialCount }} is more than maxTrialCount {{ $most }}
{{- end }}
{{- end -}}

{{- define "atelier.check.objective" -}}
{{- $objective := .root.Values.experiment.objective -}}
{{- $task := .root.Values.trainer.data.task -}}
{{- $known := index .facts.metrics $task -}}
{{- $metric := $objective.objectiveMetricName -}}
{{- if not (hasKey $known $metric) }}
experiment.objective.objectiveMetricName: {{ $task }} has no {{ $metric }}; allowed: {{ keys $known | sortAlpha | join ", " }}
{{- else if ne $objective.type (index $known $metric) }}
experiment.objective.type: {{ $objective.type }} {{ $metric }} would look for the worst; allowed: {{ index $known $metric }}
{{- end }}
{{- range $index, $name := $objective.additionalMetricNames }}
{{- if not (hasKey $known $name) }}
experiment.objective.additionalMetricNames[{{ $index }}]: {{ $task }} has no {{ $name }}; allowed: {{ keys $known | sortAlpha | join ", " }}
{{- else if eq $name $metric }}
experiment.objective.additionalMetricNames[{{ $index }}]: {{ $name }} is the objective already
{{- end }}
{{- end }}
{{- end -}}

{{- define "atelier.check.settings" -}}
{{- $facts := .facts -}}
{{- range $chooser := list "algorithm" "earlyStopping" }}
{{- $chosen := index $.root.Values.experiment $chooser }}
{{- $rules := index $facts.settings $chosen.algorithmName }}
{{- $seen := list }}
{{- range $index, $setting := $chosen.algorithmSettings }}
{{- $where := printf "experiment.%s.algorithmSettings[%d]" $chooser $index }}
{{- if not (hasKey $rules $setting.name) }}
{{ $where }}.name: {{ $chosen.algorithmName }} has no setting {{ $setting.name }}; allowed: {{ keys $rules | sortAlpha | join ", " | default "none" }}
{{- else }}
{{- if has $setting.name $seen }}
{{ $where }}.name: {{ $setting.name }} is there twice
{{- end }}
{{- with include "atelier.refused" (dict "rule" (index $rules $setting.name) "text" (include "atelier.text" $setting.value)) }}
{{ $where }}.value: {{ $setting.name }}: {{ . }}
{{- end }}
{{- end }}
{{- $seen = append $seen $setting.name }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Why a text does not fit a rule of facts.json, or nothing. Takes (dict "rule" RULE "text" TEXT). */}}
{{- define "atelier.refused" -}}
{{- if hasKey .rule "choices" -}}
{{- if not (has .text .rule.choices) -}}
{{ .text | quote }} is not allowed; allowed: {{ join ", " .rule.choices }}
{{- end -}}
{{- else -}}
{{- $isNumber := regexMatch "^[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?$" .text -}}
{{- $value := float64 .text -}}
{{- $isWhole := eq $value (floor $value) -}}
{{- $low := float64 (.rule.low | default 0) -}}
{{- $tooLow := and (hasKey .rule "low") (or (lt $value $low) (and .rule.open (eq $value $low))) -}}
{{- $high := float64 (.rule.high | default 0) -}}
{{- $tooHigh := and (hasKey .rule "high") (or (gt $value $high) (and .rule.open (eq $value $high))) -}}
{{- if or (not $isNumber) (and .rule.whole (not $isWhole)) $tooLow $tooHigh -}}
{{- $numbers := ternary "whole numbers" "numbers" .rule.whole -}}
{{- $from := printf "%s %s" (ternary "above" "from" (.rule.open | default false)) (toJson $low) -}}
{{- $to := printf " %s %s" (ternary "and below" "to" (.rule.open | default false)) (toJson $high) -}}
{{ .text | quote }} is not allowed; allowed: {{ $numbers }} {{ $from }}{{ if hasKey .rule "high" }}{{ $to }}{{ end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "atelier.check.parameters" -}}
{{- $parameters := .root.Values.experiment.parameters -}}
{{- if not $parameters }}
experiment.parameters: is empty; a search needs at least one parameter
{{- end }}
{{- $names := list }}
{{- range $index, $parameter := $parameters }}
{{- $where := printf "experiment.parameters[%d]" $index }}
{{- $space := $parameter.feasibleSpace }}
{{- if has $parameter.name $names }}
{{ $where }}.name: {{ $parameter.name }} is there twice; the first is experiment.parameters[{{ include "atelier.position" (dict "of" $parameter.name "in" $names) }}]
{{- end }}
{{- if eq $parameter.name "trialName" }}
{{ $where }}.name: trialName is what Katib calls the trial itself; choose another name
{{- end }}
{{- $names = append $names $parameter.name }}
{{- if has $parameter.parameterType (list "int" "double") }}
{{- include "atelier.check.range" (dict "where" (printf "%s.feasibleSpace" $where) "type" $parameter.parameterType "space" $space) }}
{{- else }}
{{- include "atelier.check.list" (dict "where" (printf "%s.feasibleSpace" $where) "type" $parameter.parameterType "space" $space) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "atelier.position" -}}
{{- range $index, $one := .in }}{{ if eq $one $.of }}{{ $index }}{{ end }}{{ end -}}
{{- end -}}

{{- define "atelier.check.range" -}}
{{- $where := .where -}}
{{- $type := .type -}}
{{- $space := .space -}}
{{- if hasKey $space "list" }}
{{ $where }}.list: {{ $type }} has no list; allowed: min, max, step, distribution
{{- end }}
{{- range $key := list "min" "max" }}
{{- if not (hasKey $space $key) }}
{{ $where }}.{{ $key }}: is missing; {{ $type }} needs min and max
{{- end }}
{{- end }}
{{- if eq $type "int" }}
{{- range $key := list "min" "max" "step" }}
{{- if hasKey $space $key }}
{{- $text := include "atelier.text" (index $space $key) }}
{{- if not (regexMatch "^[+-]?\\d+$" $text) }}
{{ $where }}.{{ $key }}: {{ $text }} is not a whole number, as int needs
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (hasKey $space "min") (hasKey $space "max") (gt (float64 $space.min) (float64 $space.max)) }}
{{ $where }}.min: {{ include "atelier.text" $space.min }} is more than max {{ include "atelier.text" $space.max }}
{{- end }}
{{- if and (hasKey $space "step") (le (float64 $space.step) 0.0) }}
{{ $where }}.step: {{ include "atelier.text" $space.step }} is not allowed; it must be more than 0
{{- end }}
{{- if and (has $space.distribution (list "logUniform" "logNormal")) (hasKey $space "min") (le (float64 $space.min) 0.0) }}
{{ $where }}.min: {{ include "atelier.text" $space.min }} is not allowed with {{ $space.distribution }}; it must be more than 0
{{- end }}
{{- end -}}

{{- define "atelier.check.list" -}}
{{- $where := .where -}}
{{- $type := .type -}}
{{- range $key := list "min" "max" "step" "distribution" }}
{{- if hasKey $.space $key }}
{{ $where }}.{{ $key }}: {{ $type }} has no {{ $key }}; allowed: list
{{- end }}
{{- end }}
{{- if not .space.list }}
{{ $where }}.list: is missing; {{ $type }} needs the list of its values
{{- end }}
{{- $seen := list }}
{{- range $index, $value := .space.list }}
{{- $text := include "atelier.text" $value }}
{{- if has $text $seen }}
{{ $where }}.list[{{ $index }}]: {{ $text }} is there twice
{{- end }}
{{- if and (eq $type "discrete") (not (regexMatch "^[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?$" $text)) }}
{{ $where }}.list[{{ $index }}]: {{ $text | quote }} is not a number, as discrete needs; words are categorical
{{- end }}
{{- $seen = append $seen $text }}
{{- end }}
{{- end -}}

{{- define "atelier.check.algorithm" -}}
{{- $experiment := .root.Values.experiment -}}
{{- $name := $experiment.algorithm.algorithmName -}}
{{- $numeric := 0 -}}
{{- $points := 1 -}}
{{- range $index, $parameter := $experiment.parameters }}
{{- $where := printf "experiment.parameters[%d].feasibleSpace" $index }}
{{- $space := $parameter.feasibleSpace }}
{{- $isDouble := eq $parameter.parameterType "double" }}
{{- if has $parameter.parameterType (list "int" "double") }}{{ $numeric = add1 $numeric }}{{ end }}
{{- if and (eq $name "grid") $isDouble (not (hasKey $space "step")) }}
{{ $where }}.step: is missing; grid needs the step of a double
{{- end }}
{{- if and (eq $name "bayesianoptimization") $isDouble (hasKey $space "min") (le (float64 $space.min) 0.0) }}
{{ $where }}.min: {{ include "atelier.text" $space.min }} is not allowed: bayesianoptimization draws a double from its logarithm; allowed: more than 0
{{- end }}
{{- if and (has $space.distribution (list "normal" "logNormal")) (not (has $name (list "random" "tpe"))) }}
{{ $where }}.distribution: {{ $name }} cannot draw from {{ $space.distribution }}; allowed: uniform, logUniform
{{- end }}
{{- $points = mul $points (include "atelier.points" $parameter | int64) }}
{{- end }}
{{- if and (eq $name "cmaes") (lt ($numeric | int64) 2) }}
experiment.algorithm.algorithmName: cmaes needs at least 2 int or double parameters; there are {{ $numeric }}
{{- end }}
{{- if and (eq $name "grid") (gt $points 0) (gt ($experiment.maxTrialCount | int64) ($points | int64)) }}
experiment.maxTrialCount: {{ $experiment.maxTrialCount }} is more than the {{ $points }} points of the grid
{{- end }}
{{- end -}}

{{/* How many values a grid has of a parameter; 0 if it cannot be said. */}}
{{- define "atelier.points" -}}
{{- $space := .feasibleSpace -}}
{{- if $space.list -}}
{{- len $space.list -}}
{{- else if and (hasKey $space "min") (hasKey $space "max") -}}
{{- $step := float64 ($space.step | default (ternary 1 0 (eq .parameterType "int"))) -}}
{{- if and (gt $step 0.0) (le (float64 $space.min) (float64 $space.max)) -}}
{{- add1 (floor (addf (divf (subf (float64 $space.max) (float64 $space.min)) $step) 1e-9)) -}}
{{- else -}}0{{- end -}}
{{- else -}}0{{- end -}}
{{- end -}}

{{- define "atelier.check.builders" -}}
{{- $trainer := .root.Values.trainer -}}
{{- $kind := include "atelier.kind" $trainer.data -}}
{{- if and (eq $trainer.network "atelier") $kind }}
{{- $domains := index .facts.domains (printf "%s %s" $kind $trainer.data.task) }}
{{- range $index, $parameter := .root.Values.experiment.parameters }}
{{- $where := printf "experiment.parameters[%d]" $index }}
{{- $domain := index $domains $parameter.name }}
{{- if not $domain }}
{{ $where }}.name: {{ $parameter.name }}: unknown parameter for {{ $kind }}; allowed: {{ keys $domains | sortAlpha | join ", " }}
{{- else }}
{{- $isRange := has $parameter.parameterType (list "int" "double") }}
{{- range $key := list "min" "max" }}
{{- if and $isRange (hasKey $parameter.feasibleSpace $key) }}
{{- with include "atelier.refused" (dict "rule" $domain "text" (include "atelier.text" (index $parameter.feasibleSpace $key))) }}
{{ $where }}.feasibleSpace.{{ $key }}: {{ $parameter.name }}: {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- if not $isRange }}
{{- range $at, $value := $parameter.feasibleSpace.list }}
{{- with include "atelier.refused" (dict "rule" $domain "text" (include "atelier.text" $value)) }}
{{ $where }}.feasibleSpace.list[{{ $at }}]: {{ $parameter.name }}: {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What one example is, as far as it is known before the data are opened. */}}
{{- define "atelier.kind" -}}
{{- if ne .kind "auto" -}}{{ .kind }}
{{- else if eq (.source | default "") "sklearn" -}}{{ ternary "images" "rows" (eq (.name | default "") "digits") }}
{{- else if has .source (list "idx" "images") -}}images
{{- else if eq (.source | default "") "csv" -}}rows
{{- end -}}
{{- end -}}

{{- define "atelier.check.data" -}}
{{- $data := .root.Values.trainer.data -}}
{{- $source := $data.source | default "" -}}
{{- if not $source }}
trainer.data.source: is missing; allowed: sklearn, npz, idx, images, csv
{{- end }}
{{- if and (eq $source "sklearn") (not (has $data.name .facts.bundled)) }}
trainer.data.name: {{ $data.name | default "" | quote }} is not bundled with scikit-learn; allowed: {{ join ", " .facts.bundled }}
{{- end }}
{{- if and (eq $source "csv") (not $data.target) }}
trainer.data.target: is missing; csv needs the column that is to be predicted
{{- end }}
{{- if and (eq $data.task "regression") $data.labels }}
trainer.data.labels: only classes have labels; allowed for regression: null
{{- end }}
{{- $roles := dict "sklearn" list "idx" (list "trainImages" "trainLabels" "testImages" "testLabels") "" list }}
{{- $needed := dict "sklearn" list "idx" (list "trainImages" "trainLabels") "" list }}
{{- $allowed := hasKey $roles $source | ternary (index $roles $source) (list "train" "test") }}
{{- range $role := hasKey $needed $source | ternary (index $needed $source) (list "train") }}
{{- if not (hasKey $data.files $role) }}
trainer.data.files.{{ $role }}: is missing; {{ $source }} needs it
{{- end }}
{{- end }}
{{- range $role, $file := $data.files }}
{{- if not (has $role $allowed) }}
trainer.data.files.{{ $role }}: {{ $source }} has no such file; allowed: {{ join ", " $allowed | default "none" }}
{{- end }}
{{- if and $file.path (not (hasPrefix "/" $file.path)) }}
trainer.data.files.{{ $role }}.path: {{ $file.path | quote }} is relative; in a pod only an absolute path is anywhere: /store/… for a file in the store's volume, or a mount of trainer.pod.volumeMounts
{{- end }}
{{- if and $file.url (not $file.sha256) }}
trainer.data.files.{{ $role }}.sha256: is missing; what a url leads to is checked by it
{{- end }}
{{- if not (or $file.path $file.url) }}
trainer.data.files.{{ $role }}: needs a path, or a url with its sha256
{{- end }}
{{- end }}
{{- end -}}

{{- define "atelier.check.cluster" -}}
{{- $values := .root.Values -}}
{{- $server := $values.server -}}
{{- if eq ($server.port | int64) ($server.metricsPort | int64) }}
server.metricsPort: {{ $server.metricsPort }} is server.port too; they need two ports
{{- end }}
{{- if eq ($server.service.port | int64) ($server.metricsPort | int64) }}
server.service.port: {{ $server.service.port }} is server.metricsPort too; they need two ports
{{- end }}
{{- if and $server.service.nodePort (eq $server.service.type "ClusterIP") }}
server.service.nodePort: a ClusterIP has none; allowed: NodePort, LoadBalancer
{{- end }}
{{- if and $server.ingress.enabled (not $server.ingress.hosts) }}
server.ingress.hosts: is empty; an Ingress needs at least one
{{- end }}
{{- if and $server.httpRoute.enabled (not $server.httpRoute.parentRefs) }}
server.httpRoute.parentRefs: is empty; a route needs a gateway
{{- end }}
{{- if and $server.autoscaling.enabled (gt ($server.autoscaling.minReplicas | int64) ($server.autoscaling.maxReplicas | int64)) }}
server.autoscaling.minReplicas: {{ $server.autoscaling.minReplicas }} is more than maxReplicas {{ $server.autoscaling.maxReplicas }}
{{- end }}
{{- if and $server.autoscaling.enabled (not (dig "requests" "cpu" "" $server.resources)) }}
server.resources.requests.cpu: is missing; autoscaling measures against it
{{- end }}
{{- if eq $values.storage.accessMode "ReadWriteOnce" }}
{{- range $who := list "trainer" "server" }}
{{- if (index $values $who).pod.topologySpreadConstraints }}
{{ $who }}.pod.topologySpreadConstraints: pods on several nodes need storage.accessMode ReadWriteMany; it is ReadWriteOnce
{{- end }}
{{- end }}
{{- end }}
{{- if and $values.quota.enabled (not $values.quota.hard) }}
quota.hard: is empty; a quota needs a bound, for example requests.cpu
{{- end }}
{{- end -}}

{{- define "atelier.check.apis" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $has := $root.Capabilities.APIVersions -}}
{{- if and $values.experiment.enabled $values.katib.crdCheck (not ($has.Has "kubeflow.org/v1beta1/Experiment")) }}
cluster: has no kubeflow.org/v1beta1/Experiment: install Katib first. Without a cluster (helm template): -a kubeflow.org/v1beta1/Experiment, or katib.crdCheck=false
{{- end }}
{{- $wanted := dict "ServiceMonitor" $values.monitoring.serviceMonitor.enabled "PrometheusRule" $values.monitoring.prometheusRule.enabled }}
{{- range $kind, $enabled := $wanted }}
{{- $api := printf "monitoring.coreos.com/v1/%s" $kind }}
{{- if and $enabled (eq $values.monitoring.renderMode "failIfMissing") (not ($has.Has $api)) }}
cluster: has no {{ $api }}: install the Prometheus operator first, turn monitoring.{{ untitle $kind }} off, or set monitoring.renderMode to skipIfMissing or alwaysRender. Without a cluster: -a {{ $api }}
{{- end }}
{{- end }}
{{- if and $values.server.httpRoute.enabled (not ($has.Has "gateway.networking.k8s.io/v1/HTTPRoute")) }}
cluster: has no gateway.networking.k8s.io/v1/HTTPRoute: install the Gateway API first, or turn server.httpRoute off. Without a cluster: -a gateway.networking.k8s.io/v1/HTTPRoute
{{- end }}
{{- end -}}
