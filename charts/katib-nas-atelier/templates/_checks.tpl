{{/*
The checks that validate.yaml collects: rules that compare values, read numbers in text or need the cluster, which
values.schema.json cannot express. Each takes (dict "root" $ "facts" FACTS) and prints one violation a line: the key,
what is wrong and what is allowed.
*/}}

{{/* Texts that are not of the kind that values.schema.json names for them. */}}
{{- define "atelier.check.texts" -}}
{{- range .facts.places }}
{{- $rule := dict "kind" (index $.facts.texts .kind) "bounds" . }}
{{- include "atelier.check.text" (dict "value" $.root.Values "steps" .at "at" "" "rule" $rule) }}
{{- end }}
{{- end -}}

{{- define "atelier.check.text" -}}
{{- if .steps }}
{{- $step := first .steps }}
{{- if and (eq $step "*") (kindIs "slice" .value) }}
{{- range $index, $value := .value }}
{{- $at := printf "%s[%d]" $.at $index }}
{{- include "atelier.check.text" (dict "value" $value "steps" (rest $.steps) "at" $at "rule" $.rule) }}
{{- end }}
{{- else if and (has $step (list "*" "#")) (kindIs "map" .value) }}
{{- range $key, $value := .value }}
{{- $seen := eq $step "#" | ternary $key $value }}
{{- $at := printf "%s.%s" $.at $key }}
{{- include "atelier.check.text" (dict "value" $seen "steps" (rest $.steps) "at" $at "rule" $.rule "key" (eq $step "#")) }}
{{- end }}
{{- else if kindIs "slice" .value }}
{{- else if not (kindIs "map" (.value | default dict)) }}
{{- else if hasKey (.value | default dict) $step }}
{{- $at := printf "%s.%s" $.at $step }}
{{- include "atelier.check.text" (dict "value" (index .value $step) "steps" (rest .steps) "at" $at "rule" .rule) }}
{{- end }}
{{- else if kindIs "string" .value }}
{{- if not (regexMatch .rule.kind.pattern .value) }}
{{- $shown := eq .rule.bounds.kind "url" | ternary (include "atelier.public.url" .value) .value }}
{{ trimPrefix "." .at }}: {{ $shown | quote }} is not allowed{{ if .key }} as a key{{ end }}; allowed: {{ .rule.kind.words }}
{{- end }}
{{- else if and (has (kindOf .value) (list "bool" "float64" "int64" "int")) (not .rule.kind.numbers) }}
{{ trimPrefix "." .at }}: {{ toJson .value }} is not allowed; allowed: text; put it into quotes
{{- else if kindIs "float64" .value }}
{{- $bounds := .rule.bounds }}
{{- $at := trimPrefix "." .at }}
{{- if and (hasKey $bounds "minimum") (lt .value (float64 $bounds.minimum)) }}
{{ $at }}: {{ toJson .value }} is less than {{ $bounds.minimum }}, the least allowed
{{- end }}
{{- if and (hasKey $bounds "exclusiveMinimum") (le .value (float64 $bounds.exclusiveMinimum)) }}
{{ $at }}: {{ toJson .value }} is not allowed; it must be more than {{ $bounds.exclusiveMinimum }}
{{- end }}
{{- if and (hasKey $bounds "maximum") (gt .value (float64 $bounds.maximum)) }}
{{ $at }}: {{ toJson .value }} is more than {{ $bounds.maximum }}, the most allowed
{{- end }}
{{- if and (hasKey $bounds "exclusiveMaximum") (ge .value (float64 $bounds.exclusiveMaximum)) }}
{{ $at }}: {{ toJson .value }} is not allowed; it must be less than {{ $bounds.exclusiveMaximum }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The url without user, password, query and fragment; takes text. packages/store's public_url does the same. */}}
{{- define "atelier.public.url" -}}
{{- regexReplaceAll "^([A-Za-z][A-Za-z0-9+.-]*:/+|/+)?[^/]*@" (regexReplaceAll "(?s)[?#].*" . "") "${1}" -}}
{{- end -}}

{{- define "atelier.check.names" -}}
{{- $root := .root -}}
{{- if regexMatch "^[0-9]" (include "atelier.fullname" $root) }}
release name: {{ $root.Release.Name | quote }} begins with a digit, which Services and Experiments do not allow; begin with a letter, or set fullnameOverride
{{- end }}
{{- if contains "." $root.Release.Name }}
release name: {{ $root.Release.Name | quote }} contains a dot, which Services do not allow
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
{{- if gt (include "atelier.search.failed" .root | int64) $most }}
experiment.maxFailedTrialCount: {{ $experiment.maxFailedTrialCount }} is more than maxTrialCount {{ $most }}
{{- end }}
{{- end -}}

{{- define "atelier.check.objective" -}}
{{- $objective := .root.Values.experiment.objective -}}
{{- with .root.Values.trainer.metrics }}
{{- $known := index $.facts.metrics $.root.Values.trainer.data.task }}
{{- range $name := keys . | sortAlpha }}{{ $known = append $known (printf "val_%s" $name) }}{{ end }}
{{- $allowed := join ", " $known }}
{{- if not (has $objective.objectiveMetricName $known) }}
experiment.objective.objectiveMetricName: {{ $objective.objectiveMetricName | quote }} is not allowed; allowed: {{ $allowed }}
{{- end }}
{{- range $index, $name := $objective.additionalMetricNames }}
{{- if not (has $name $known) }}
experiment.objective.additionalMetricNames[{{ $index }}]: {{ $name | quote }} is not allowed; allowed: {{ $allowed }}
{{- end }}
{{- end }}
{{- end }}
{{- range $index, $name := $objective.additionalMetricNames }}
{{- if eq $name $objective.objectiveMetricName }}
experiment.objective.additionalMetricNames[{{ $index }}]: {{ $name }} is the objective already
{{- end }}
{{- end }}
{{- end -}}

{{/* What only the searcher of one machine can do. profile/rules.py says the same. */}}
{{- define "atelier.check.searcher" -}}
{{- if .root.Values.experiment.objectives }}
experiment.objectives: is for one machine only: an Experiment of Katib has one objective; leave it out
{{- end }}
{{- with .root.Values.experiment.tolerance | float64 }}
experiment.tolerance: {{ toJson . }} is for one machine only: an Experiment of Katib has one objective; leave it out
{{- end }}
{{- if .root.Values.experiment.experience.enabled }}
experiment.experience.enabled: true is for one machine only: a cluster's searcher has no store to learn from; leave it out
{{- end }}
{{- with .root.Values.experiment.stopWhen.expectedGainBelow }}
experiment.stopWhen.expectedGainBelow: {{ toJson . }} is for one machine only: Katib ends a search by its counts and its goal; leave it out
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
{{- if has $setting.name $seen }}
{{ $where }}.name: {{ $setting.name }} is there twice
{{- end }}
{{- $rule := index $rules $setting.name }}
{{- with include "atelier.refused" (dict "facts" $facts "rule" $rule "text" (include "atelier.text" $setting.value)) }}
{{ $where }}.value: {{ $setting.name }}: {{ . }}
{{- end }}
{{- $seen = append $seen $setting.name }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Why a text does not fit a rule of facts.json, or nothing. Takes (dict "facts" FACTS "rule" RULE "text" TEXT). */}}
{{- define "atelier.refused" -}}
{{- $fits := false -}}
{{- if hasKey .rule "choices" -}}
{{- $fits = has (ternary (lower .text) .text (.rule.anyCase | default false)) .rule.choices -}}
{{- else if and (regexMatch (ternary .facts.texts.whole .facts.texts.number (.rule.digits | default false)).pattern .text) (include "atelier.finite" (dict "facts" .facts "text" .text)) -}}
{{- $value := float64 .text -}}
{{- $low := float64 (.rule.low | default 0) -}}
{{- $tooLow := and (hasKey .rule "low") (or (lt $value $low) (and .rule.open (eq $value $low))) -}}
{{- $high := float64 (.rule.high | default 0) -}}
{{- $tooHigh := and (hasKey .rule "high") (or (gt $value $high) (and .rule.open (eq $value $high))) -}}
{{- $fits = not (or $tooLow $tooHigh (and .rule.whole (ne $value (floor $value)))) -}}
{{- end -}}
{{- if not $fits -}}
"{{ .text }}" is not allowed; allowed: {{ .rule.allowed }}
{{- end -}}
{{- end -}}

{{- define "atelier.check.parameters" -}}
{{- if not .root.Values.experiment.parameters }}
experiment.parameters: is empty; allowed: at least one parameter; only the built-in networks for rows have a space by default
{{- end }}
{{- $names := list }}
{{- range $index, $parameter := .root.Values.experiment.parameters }}
{{- $where := printf "experiment.parameters[%d]" $index }}
{{- $space := $parameter.feasibleSpace }}
{{- $name := toString $parameter.name }}
{{- if has $name $names }}
{{- $first := include "atelier.position" (dict "of" $name "in" $names) }}
{{ $where }}.name: {{ $parameter.name }} is there twice; the first is experiment.parameters[{{ $first }}]
{{- end }}
{{- if eq $name "trialName" }}
{{ $where }}.name: trialName is what Katib calls the trial itself; choose another name
{{- end }}
{{- $names = append $names $name }}
{{- if $space.list }}
{{- include "atelier.check.list" (dict "where" (printf "%s.feasibleSpace" $where) "list" $space.list "facts" $.facts "type" $parameter.parameterType) }}
{{- else }}
{{- include "atelier.check.range" (dict "where" (printf "%s.feasibleSpace" $where) "space" $space "facts" $.facts "type" $parameter.parameterType) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "atelier.position" -}}
{{- range $index, $name := .in }}{{ if eq $name $.of }}{{ $index }}{{ end }}{{ end -}}
{{- end -}}

{{/*
"true" if a value of a parameter is of its type's kind of text: one that is not is named once.
Takes (dict "facts" FACTS "type" TYPE "value" VALUE).
*/}}
{{- define "atelier.of.type" -}}
{{- $kind := index (dict "int" "whole" "double" "number" "discrete" "number" "categorical" "choice") .type -}}
{{- if regexMatch (index .facts.texts $kind).pattern (include "atelier.text" .value) }}true{{ end -}}
{{- end -}}

{{- define "atelier.check.range" -}}
{{- $where := .where -}}
{{- $space := dict -}}
{{- range $key := list "min" "max" "step" }}
{{- $value := index $.space $key }}
{{- $text := include "atelier.text" $value }}
{{- if or (kindIs "invalid" $value) (not (regexMatch $.facts.texts.number.pattern $text)) }}
{{- else if not (include "atelier.of.type" (dict "facts" $.facts "type" $.type "value" $value)) }}
{{ $where }}.{{ $key }}: {{ $value | quote }} is not allowed; allowed: {{ $.facts.texts.whole.words }} where parameterType is int
{{- else if include "atelier.finite" (dict "facts" $.facts "text" $text) }}
{{- $_ := set $space $key (float64 $value) }}
{{- else }}
{{ $where }}.{{ $key }}: {{ $value }} is not a finite number
{{- end }}
{{- end }}
{{- if and (hasKey $space "min") (hasKey $space "max") (gt ($space.min | default 0.0) ($space.max | default 0.0)) }}
{{ $where }}.min: {{ include "atelier.text" .space.min }} is more than max {{ include "atelier.text" .space.max }}
{{- end }}
{{- if and (hasKey $space "step") (le $space.step 0.0) }}
{{ $where }}.step: {{ include "atelier.text" .space.step }} is not allowed; it must be more than 0
{{- end }}
{{- $isUnit := and (eq .type "int") (eq ($space.step | default 0.0) 1.0) }}
{{- if and (eq (toString .space.distribution) "logUniform") (hasKey $space "step") (not $isUnit) }}
{{ $where }}.step: {{ include "atelier.text" .space.step }} is not allowed with logUniform, which has no steps; leave it out
{{- end }}
{{- if and (has .space.distribution (list "logUniform" "logNormal")) (hasKey $space "min") (le ($space.min | default 0.0) 0.0) }}
{{ $where }}.min: {{ include "atelier.text" .space.min }} is not allowed with {{ .space.distribution }}; it must be more than 0
{{- end }}
{{- end -}}

{{- define "atelier.check.list" -}}
{{- $where := .where -}}
{{- $seen := list }}
{{- range $index, $value := .list }}
{{- $text := include "atelier.text" $value }}
{{- $meant := $text }}
{{- $isFinite := include "atelier.finite" (dict "facts" $.facts "text" $text) }}
{{- if and (eq $.type "discrete") $isFinite }}{{ $meant = float64 $text | toJson }}{{ end }}
{{- if has $meant $seen }}
{{ $where }}.list[{{ $index }}]: {{ $text }} is there twice
{{- end }}
{{- if not (include "atelier.of.type" (dict "facts" $.facts "type" $.type "value" $value)) }}
{{- if eq $.type "discrete" }}
{{ $where }}.list[{{ $index }}]: {{ $text | quote }} is not allowed; allowed: {{ $.facts.texts.number.words }} where parameterType is discrete
{{- end }}
{{- else if and (eq $.type "discrete") (not $isFinite) }}
{{ $where }}.list[{{ $index }}]: {{ $text }} is not a finite number
{{- end }}
{{- $seen = append $seen $meant }}
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
{{- $isSound := include "atelier.of.type" (dict "facts" $.facts "type" "double" "value" $space.min) }}
{{- if and (eq $name "bayesianoptimization") $isDouble $isSound (le (float64 $space.min) 0.0) }}
{{ $where }}.min: {{ include "atelier.text" $space.min }} is not allowed: bayesianoptimization draws a double from its logarithm; allowed: more than 0
{{- end }}
{{- $points = mul $points (include "atelier.points" (dict "facts" $.facts "of" $parameter) | int64) }}
{{- end }}
{{- if and (eq $name "cmaes") (lt ($numeric | int64) 2) }}
experiment.algorithm.algorithmName: cmaes needs at least 2 int or double parameters; there are {{ $numeric }}
{{- end }}
{{- if and (eq $name "grid") (gt $points 0) (gt ($experiment.maxTrialCount | int64) ($points | int64)) }}
experiment.maxTrialCount: {{ $experiment.maxTrialCount }} is more than the {{ $points }} points of the grid
{{- end }}
{{- end -}}

{{/* How many values a grid has of a parameter; 0 if the parameter is wrong in itself. */}}
{{- define "atelier.points" -}}
{{- $space := .of.feasibleSpace -}}
{{- if $space.list -}}
{{- len $space.list -}}
{{- else -}}
{{- $step := $space.step | default 1 -}}
{{- $sound := list -}}
{{- range $value := list $space.min $space.max $step -}}
{{- with include "atelier.finite" (dict "facts" $.facts "text" (include "atelier.text" $value)) }}{{ $sound = append $sound . }}{{ end -}}
{{- end -}}
{{- if and (eq (len $sound) 3) (gt (float64 $step) 0.0) (le (float64 $space.min) (float64 $space.max)) -}}
{{- add1 (floor (addf (divf (subf (float64 $space.max) (float64 $space.min)) (float64 $step)) 1e-9)) -}}
{{- else -}}0{{- end -}}
{{- end -}}
{{- end -}}

{{- define "atelier.check.builders" -}}
{{- $trainer := .root.Values.trainer -}}
{{- $kind := include "atelier.kind" .root -}}
{{- if and (eq $trainer.network "atelier") $kind }}
{{- $domains := index .facts.domains (printf "%s %s" $kind $trainer.data.task) }}
{{- range $index, $parameter := .root.Values.experiment.parameters }}
{{- $where := printf "experiment.parameters[%d]" $index }}
{{- $space := $parameter.feasibleSpace }}
{{- $domain := index $domains (toString $parameter.name) }}
{{- if not (kindIs "string" $parameter.name) }}
{{- else if not $domain }}
{{- $names := keys $domains | sortAlpha | join ", " }}
{{ $where }}.name: {{ $parameter.name }}: unknown parameter for {{ $kind }}; allowed: {{ $names }}
{{- else }}
{{- $values := dict }}
{{- range $at, $value := $space.list }}{{ $_ := set $values (printf "list[%d]" $at) $value }}{{ end }}
{{- if not $space.list }}{{ $values = pick $space "min" "max" }}{{ end }}
{{- range $key, $value := $values }}
{{- if include "atelier.of.type" (dict "facts" $.facts "type" $parameter.parameterType "value" $value) }}
{{- with include "atelier.refused" (dict "facts" $.facts "rule" $domain "text" (include "atelier.text" $value)) }}
{{ $where }}.feasibleSpace.{{ $key }}: {{ $parameter.name }}: {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "atelier.check.mirror" -}}
{{- $kind := include "atelier.kind" .root -}}
{{- if and (eq (toString .root.Values.trainer.finish.mirror) "true") $kind (ne $kind "images") }}
trainer.finish.mirror: true is for images, which have a mirror image, not for {{ $kind }}; allowed: false
{{- end }}
{{- end -}}

{{/* What one example is, as far as that is known before the data are opened; takes the root. */}}
{{- define "atelier.kind" -}}
{{- $data := .Values.trainer.data -}}
{{- if ne $data.kind "auto" -}}
{{- $data.kind -}}
{{- else -}}
{{- $source := $data.source | default "" -}}
{{- if eq $source "sklearn" }}{{ $source = printf "sklearn %s" $data.name }}{{ end -}}
{{- index .Facts.kinds $source | default "" -}}
{{- end -}}
{{- end -}}

{{- define "atelier.check.data" -}}
{{- if not .root.Values.trainer.data.source }}
trainer.data.source: is missing; allowed: {{ .facts.texts.source.words }}
{{- end }}
{{- range $role, $file := .root.Values.trainer.data.files }}
{{- if and $file.path (not (hasPrefix "/" $file.path)) }}
trainer.data.files.{{ $role }}.path: {{ $file.path | quote }} is relative; a pod needs an absolute path: /store/… for a file in the store's volume, or a mount of trainer.pod.volumeMounts
{{- end }}
{{- end }}
{{- end -}}

{{- define "atelier.check.cluster" -}}
{{- $values := .root.Values -}}
{{- if and $values.promotion.version (eq (include "atelier.extractor.mode" .root) "none") }}
{{- $why := ternary "extractor.mode is none" "experiment.enabled is false" $values.experiment.enabled }}
promotion.version: {{ $values.promotion.version | quote }} would not be served: {{ $why }}, and the extractor's Job is what moves the model's pointer
{{- end }}
{{- $server := $values.server -}}
{{- if eq ($server.port | int64) ($server.metricsPort | int64) }}
server.metricsPort: {{ $server.metricsPort }} is server.port too; they need two ports
{{- end }}
{{- if eq ($server.service.port | int64) ($server.metricsPort | int64) }}
server.service.port: {{ $server.service.port }} is server.metricsPort too; they need two ports
{{- end }}
{{- if contains " " (include "atelier.root.path" .root) }}
server.httpRoute.path: {{ $server.httpRoute.path | quote }} is not server.ingress.path {{ $server.ingress.path | quote }}; the server is shown below one path, and below /
{{- end }}
{{- $scaling := $server.autoscaling }}
{{- if and $scaling.enabled (gt ($scaling.minReplicas | int64) ($scaling.maxReplicas | int64)) }}
server.autoscaling.minReplicas: {{ $scaling.minReplicas }} is more than maxReplicas {{ $scaling.maxReplicas }}
{{- end }}
{{- if eq $values.storage.accessMode "ReadWriteOnce" }}
{{- range $who := list "trainer" "server" }}
{{- if (index $values $who).pod.topologySpreadConstraints }}
{{ $who }}.pod.topologySpreadConstraints: pods on several nodes need storage.accessMode ReadWriteMany; it is ReadWriteOnce
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "atelier.check.apis" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $has := $root.Capabilities.APIVersions -}}
{{- if and $values.experiment.enabled $values.katib.crdCheck (not ($has.Has "kubeflow.org/v1beta1/Experiment")) }}
cluster: has no kubeflow.org/v1beta1/Experiment: install Katib first. Without a cluster (helm template): -a kubeflow.org/v1beta1/Experiment, or katib.crdCheck=false
{{- end }}
{{- $monitoring := $values.monitoring }}
{{- range $kind := list "ServiceMonitor" "PrometheusRule" }}
{{- $enabled := (index $monitoring (untitle $kind)).enabled }}
{{- $api := printf "monitoring.coreos.com/v1/%s" $kind }}
{{- if and $enabled (eq $monitoring.renderMode "failIfMissing") (not ($has.Has $api)) }}
cluster: has no {{ $api }}: install the Prometheus operator first, turn monitoring.{{ untitle $kind }} off, or set monitoring.renderMode to skipIfMissing or alwaysRender. Without a cluster: -a {{ $api }}
{{- end }}
{{- end }}
{{- if and $values.server.httpRoute.enabled (not ($has.Has "gateway.networking.k8s.io/v1/HTTPRoute")) }}
cluster: has no gateway.networking.k8s.io/v1/HTTPRoute: install the Gateway API first, or turn server.httpRoute off. Without a cluster: -a gateway.networking.k8s.io/v1/HTTPRoute
{{- end }}
{{- end -}}
