{{/* What gateway and worker read alike, none of it secret. */}}
{{- define "grading.settings" -}}
{{- $values := .root.Values -}}
{{- $shared := "state/shared" -}}
HOST: "0.0.0.0"
PORT: "38300"
RPC_PORT: "50051"
METRICS_PORT: "9102"
DRAIN_DELAY_S: {{ $values.gateway.drainDelayS | quote }}
DRAIN_S: {{ $values.gateway.drainS | quote }}
API_KEYS_FILE: /etc/grading-gateway/api_keys.json
{{- if $values.gateway.allowDemoKey }}
ALLOW_DEMO_KEY: "true"
{{- end }}
LLM_URL: {{ include "grading.llmUrl" . | quote }}
EMBEDDINGS_URL: {{ include "grading.embeddingsUrl" . | quote }}
DATASETS_DIR: {{ $shared }}/datasets
S3_ENDPOINT_URL: {{ include "grading.s3Endpoint" . | quote }}
S3_REGION: {{ $values.s3.region }}
{{- if $values.s3.bucket }}
DATASETS_REMOTE: s3://{{ $values.s3.bucket }}/datasets
MODELS_URL: s3://{{ $values.s3.bucket }}/trained
REPORTS_URL: s3://{{ $values.s3.bucket }}/reports
{{- else }}
MODELS_URL: {{ $shared }}/trained
REPORTS_URL: {{ $shared }}/reports
{{- end }}
{{- if $values.evidently.enabled }}
EVIDENTLY_URL: http://{{ include "grading.name" (dict "root" .root "component" "evidently") }}:8502
{{- end }}
{{- if eq $values.store "sqlite" }}
DATABASE_URL: sqlite:///state/gateway.db
{{- end }}
{{- if $values.mlflow.enabled }}
MLFLOW_TRACKING_URI: http://{{ include "grading.name" (dict "root" .root "component" "mlflow") }}:5000
{{- end }}
{{- range $name, $value := $values.settings }}
{{ $name }}: {{ include "grading.text" $value | quote }}
{{- end }}
{{- end }}

{{/* The secrets that gateway and worker read. */}}
{{- define "grading.secretSettings" -}}
{{- $values := .root.Values -}}
{{- if eq $values.store "postgresql" }}
{{ include "grading.secretEnv" (dict "root" .root "name" "DATABASE_URL") }}
{{- end }}
{{- range list "S3_ACCESS_KEY_ID" "S3_SECRET_ACCESS_KEY" "CLEARML_ACCESS_KEY" "CLEARML_SECRET_KEY" }}
{{ include "grading.secretEnv" (dict "root" $.root "name" . "optional" true) }}
{{- end }}
{{- if not $values.mlflow.enabled }}
{{ include "grading.secretEnv" (dict "root" .root "name" "MLFLOW_TRACKING_URI" "optional" true) }}
{{- end }}
{{- end }}
