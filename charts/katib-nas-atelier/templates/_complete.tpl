{{/*
Makes .Values complete, in place: null is the default of its key, though Helm takes the key away, and text where a
 number is meant is that number (--set has no fractions). A search without parameters gets those that its kind of data
 has by default. The command does the same. Every template begins with it, and the first does the work: Helm renders all
 of a chart with one root, which keeps what it read as .Facts.
*/}}
{{- define "atelier.complete" -}}
{{- if not (hasKey . "Facts") -}}
{{- $_ := set . "Facts" (.Files.Get "files/facts.json" | fromJson) -}}
{{- include "atelier.complete.fill" (dict "values" .Values "defaults" .Facts.defaults "kept" .Facts.keptNulls "at" "") -}}
{{- range .Facts.places -}}
{{- if eq .kind "decimal" -}}
{{- include "atelier.complete.number" (dict "facts" $.Facts "block" $.Values "steps" .at) -}}
{{- end -}}
{{- end -}}
{{- if and (not .Values.experiment.parameters) (eq .Values.trainer.network "atelier") -}}
{{- $_ := set .Values.experiment "parameters" (index .Facts.spaces (include "atelier.kind" .) | default list) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The number in place of its text at the end of some steps into a block, of which "*" is any key. */}}
{{- define "atelier.complete.number" -}}
{{- if kindIs "map" .block -}}
{{- range $key := eq (first .steps) "*" | ternary (keys .block) (list (first .steps)) -}}
{{- $value := index $.block $key -}}
{{- if rest $.steps -}}
{{- include "atelier.complete.number" (dict "facts" $.facts "block" $value "steps" (rest $.steps)) -}}
{{- else if and (kindIs "string" $value) (include "atelier.finite" (dict "facts" $.facts "text" $value)) -}}
{{- $_ := set $.block $key (float64 $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "atelier.complete.fill" -}}
{{- range $key, $default := .defaults -}}
{{- $at := printf "%s%s" $.at $key -}}
{{- $value := index $.values $key -}}
{{- if has $at $.kept -}}
{{- else if and (kindIs "invalid" $value) (not (kindIs "invalid" $default)) -}}
{{- $_ := set $.values $key (kindIs "map" $default | ternary (deepCopy $default) $default) -}}
{{- else if and (kindIs "map" $default) (kindIs "map" $value) -}}
{{- include "atelier.complete.fill" (dict "values" $value "defaults" $default "kept" $.kept "at" (printf "%s." $at)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* "true" if a text is a number that 64 bits of floating point hold. Takes (dict "facts" FACTS "text" TEXT). */}}
{{- define "atelier.finite" -}}
{{- if regexMatch .facts.texts.number.pattern .text -}}
{{- if has (kindOf (printf "{v: %s}" .text | fromYaml).v) (list "float64" "int64") }}true{{ end -}}
{{- end -}}
{{- end -}}
