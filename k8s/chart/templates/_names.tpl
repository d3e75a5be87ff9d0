{{/* Everything takes a dict: root ($) and, where it is about one, the component's name. */}}

{{- define "grading.name" -}}
{{- printf "%s-%s" (trunc 40 .root.Release.Name | trimSuffix "-") .component -}}
{{- end }}

{{- define "grading.selector" -}}
app.kubernetes.io/name: grading-gateway
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "grading.labels" -}}
{{ include "grading.selector" . }}
app.kubernetes.io/version: {{ .root.Values.images.tag | default .root.Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "grading.metadata" -}}
name: {{ include "grading.name" . }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "grading.labels" . | nindent 2 }}
{{- end }}

{{/* Of one of our own images: image is its name. */}}
{{- define "grading.image" -}}
{{- $images := .root.Values.images -}}
{{- $own := get $images.own .image | default dict -}}
{{- $tag := $own.tag | default $images.tag | default .root.Chart.AppVersion -}}
{{- printf "%s/%s:%s" $images.prefix .image $tag -}}
{{- with $own.digest }}@{{ . }}{{ end -}}
{{- end }}

{{/* The enabled ones that run as pods, as a JSON list. */}}
{{- define "grading.components" -}}
{{- $found := list "gateway" "smoke" -}}
{{- range list "worker" "llm" "embeddings" "ui" "bot" "evidently" "mlflow" "postgres" "redis" "minio" -}}
{{- if (get $.root.Values .).enabled }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{- if .root.Values.minio.enabled }}{{ $found = append $found "bucket" }}{{ end -}}
{{- toJson $found -}}
{{- end }}

{{/* Several model servers are named one by one: the gateway balances them itself, by what is under way. */}}
{{- define "grading.llmUrl" -}}
{{- $values := .root.Values -}}
{{- $name := include "grading.name" (dict "root" .root "component" "llm") -}}
{{- if $values.llm.enabled -}}
{{- range $i := until (int $values.llm.replicas) }}{{ if $i }},{{ end }}http://{{ $name }}-{{ $i }}.{{ $name }}:8080{{ end -}}
{{- else }}{{ $values.llm.url }}{{ end -}}
{{- end }}

{{- define "grading.embeddingsUrl" -}}
{{- if .root.Values.embeddings.enabled -}}
http://{{ include "grading.name" (dict "root" .root "component" "embeddings") }}:8081
{{- else }}{{ .root.Values.embeddings.url }}{{ end -}}
{{- end }}

{{- define "grading.s3Endpoint" -}}
{{- if .root.Values.s3.endpoint }}{{ .root.Values.s3.endpoint }}
{{- else if .root.Values.minio.enabled }}http://{{ include "grading.name" (dict "root" .root "component" "minio") }}:9000{{ end -}}
{{- end }}
