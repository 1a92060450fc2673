{{/*
What Kubernetes would refuse of pods, hours later: of trials nothing is checked when they are installed.
The command has the same rules, in pods.py, and writes the table of what is the chart's own in a pod into facts.json.
*/}}
{{- define "atelier.check.pods" -}}
{{- $values := .root.Values -}}
{{- $facts := .facts -}}
{{- $ours := list }}
{{- range $who := list "trainer" "extractor" "server" "board" "inspector" }}
{{- $volumes := list }}
{{- $mounts := list }}
{{- $there := list }}
{{- range $facts.own }}
{{- if and (eq .pod $who) (include "atelier.holds" (dict "values" $values "when" .when)) }}
{{- $volumes = append $volumes .volume }}
{{- with .mount }}{{ $mounts = append $mounts . }}{{ end }}
{{- if not .beside }}{{ $there = append $there .volume }}{{ end }}
{{- end }}
{{- end }}
{{- $pod := (index $values $who).pod }}
{{- $at := printf "%s.pod" $who }}
{{- $names := list }}
{{- range $pod.volumes }}{{ $names = append $names .name }}{{ end }}
{{- $paths := list }}
{{- range $pod.volumeMounts }}{{ $paths = append $paths (clean .mountPath) }}{{ end }}
{{- $variables := list }}
{{- range $pod.env }}{{ $variables = append $variables .name }}{{ end }}
{{- $given := list }}
{{- range $facts.ownVariables }}
{{- if and (eq .pod $who) (include "atelier.holds" (dict "values" $values "when" .when)) }}
{{- $given = append $given .name }}
{{- end }}
{{- end }}
{{- $ours = concat $ours $given }}
{{- include "atelier.check.taken" (dict "at" (printf "%s.volumes" $at) "key" "name" "names" $names "own" $volumes) }}
{{- include "atelier.check.taken" (dict "at" (printf "%s.volumeMounts" $at) "key" "mountPath" "names" $paths "own" $mounts) }}
{{- include "atelier.check.taken" (dict "at" (printf "%s.env" $at) "key" "name" "names" $variables "own" $given) }}
{{- $all := concat $names $there }}
{{- range $index, $mount := $pod.volumeMounts }}
{{- if not (has $mount.name $all) }}
{{ $at }}.volumeMounts[{{ $index }}].name: {{ $mount.name }} is no volume of this pod; allowed: {{ join ", " $all }}
{{- end }}
{{- end }}
{{- end }}
{{- $variables := list }}
{{- range $values.env }}{{ $variables = append $variables .name }}{{ end }}
{{- include "atelier.check.taken" (dict "at" "env" "key" "name" "names" $variables "own" $ours) }}
{{- if include "atelier.finishes" .root }}
{{- range $key, $name := dict "volumes" "name" "volumeMounts" "mountPath" }}
{{- range $index, $ours := index $values.extractor.pod $key }}
{{- range $theirs := index $values.trainer.pod $key }}
{{- if and (eq (index $ours $name) (index $theirs $name)) (ne (toJson $ours) (toJson $theirs)) }}
extractor.pod.{{ $key }}[{{ $index }}].{{ $name }}: {{ index $ours $name }} is another in trainer.pod.{{ $key }}; the extractor's pod has both
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $arguments := dict "requests" $values.extractor.resources.requests "limits" $values.trainer.resources.limits }}
{{- include "atelier.check.bounds" (merge $arguments (dict "at" "extractor.resources.requests" "named" "trainer.resources.limits")) }}
{{- end }}
{{- range $who, $block := $facts.defaults }}
{{- if and (kindIs "map" $block) (hasKey $block "resources") }}
{{- include "atelier.check.resources" (dict "at" (printf "%s.resources" $who) "resources" ((index $values $who).resources | default dict)) }}
{{- end }}
{{- end }}
{{- include "atelier.check.resources" (dict "at" "quota.containerDefaults" "resources" $values.quota.containerDefaults) }}
{{- end -}}

{{/*
"true" if all of these conditions hold: one of its values is set, or is what follows its "=". A map is set if one
of its values is neither null nor false. Takes (dict "values" .Values "when" CONDITIONS).
*/}}
{{- define "atelier.holds" -}}
{{- $holds := true -}}
{{- range .when -}}
{{- $any := false -}}
{{- range . -}}
{{- $value := $.values -}}
{{- range splitList "." (first (splitList "=" .)) }}{{ $value = index ($value | default dict) . }}{{ end -}}
{{- if kindIs "map" $value -}}
{{- $said := include "atelier.said" $value | fromJson -}}
{{- range $key, $inner := $said }}{{ if eq (toJson $inner) "false" }}{{ $said = omit $said $key }}{{ end }}{{ end -}}
{{- $value = $said -}}
{{- end -}}
{{- if ternary (eq (toString $value) (last (splitList "=" .))) (not (empty $value)) (contains "=" .) }}{{ $any = true }}{{ end -}}
{{- end -}}
{{- if not $any }}{{ $holds = false }}{{ end -}}
{{- end -}}
{{- if $holds }}true{{ end -}}
{{- end -}}

{{/* Names that are there twice, or that are the chart's own. */}}
{{- define "atelier.check.taken" -}}
{{- range $index, $name := .names }}
{{- if has $name $.own }}
{{ $.at }}[{{ $index }}].{{ $.key }}: {{ $name }} is the chart's own; choose another
{{- else if has $name (slice $.names 0 $index) }}
{{ $.at }}[{{ $index }}].{{ $.key }}: {{ $name }} is there twice
{{- end }}
{{- end }}
{{- end -}}

{{- define "atelier.check.resources" -}}
{{- $at := .at -}}
{{- $requests := .resources.requests | default dict -}}
{{- $limits := .resources.limits | default dict -}}
{{- range $part, $amounts := dict "limits" $limits "requests" $requests }}
{{- range $name, $amount := $amounts }}
{{- if and (contains "/" $name) (ne (include "atelier.quantity" $amount | float64) (include "atelier.quantity" $amount | float64 | floor)) }}
{{ $at }}.{{ $part }}.{{ $name }}: {{ $amount }} is not allowed; allowed of a device: whole numbers
{{- end }}
{{- end }}
{{- end }}
{{- include "atelier.check.bounds" (dict "at" (printf "%s.requests" $at) "requests" $requests "limits" $limits "named" "limits") }}
{{- range $name, $amount := $requests }}
{{- if or (contains "/" $name) (hasPrefix "hugepages-" $name) }}
{{- if not (hasKey $limits $name) }}
{{ $at }}.limits.{{ $name }}: is missing; it must be what is requested, {{ $amount }}
{{- else if lt (include "atelier.quantity" $amount | float64) (include "atelier.quantity" (index $limits $name) | float64) }}
{{ $at }}.requests.{{ $name }}: {{ $amount }} is less than limits {{ index $limits $name }}; they must be equal
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Requests above limits, whose name is said. */}}
{{- define "atelier.check.bounds" -}}
{{- range $name, $amount := .requests }}
{{- $limit := index ($.limits | default dict) $name }}
{{- if and (not (kindIs "invalid" $limit)) (gt (include "atelier.quantity" $amount | float64) (include "atelier.quantity" $limit | float64)) }}
{{ $.at }}.{{ $name }}: {{ $amount }} is more than {{ $.named }}.{{ $name }} {{ $limit }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A quantity of Kubernetes as a number: 500m is 0.5, 1Ki is 1024, 1E is 10^18, 1e3 is 1000. */}}
{{- define "atelier.quantity" -}}
{{- $text := include "atelier.text" . -}}
{{- $unit := regexFind "([numkMGTPE]|[KMGTPE]i)$" $text -}}
{{- $factors := dict "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- $parts := dict "n" 1e9 "u" 1e6 "m" 1e3 -}}
{{- $number := trimSuffix $unit $text | trimPrefix "+" | float64 -}}
{{- if hasKey $factors $unit -}}
{{- mulf $number (index $factors $unit) -}}
{{- else if hasKey $parts $unit -}}
{{- divf $number (index $parts $unit) -}}
{{- else -}}
{{- $number -}}
{{- end -}}
{{- end -}}
