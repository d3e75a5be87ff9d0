{{- define "grading.secretName" -}}
{{- .root.Values.secrets.existing | default (include "grading.name" (dict "root" .root "component" "secrets")) -}}
{{- end }}

{{/* Fills .root.Values.secrets.found, once: what is random must be the same in the Secret and in the checksums.
     What was said wins, then what the cluster has, then what is made now. */}}
{{- define "grading.findSecrets" -}}
{{- if not (hasKey .root.Values.secrets "found") -}}
{{- $values := .root.Values -}}
{{- $there := (lookup "v1" "Secret" .root.Release.Namespace (include "grading.secretName" .)).data | default dict -}}
{{- $found := dict -}}
{{- $made := list "API_KEY" "LLM_API_KEY" "EMBEDDINGS_API_KEY" "OPEN_AI_API_KEY" -}}
{{- if $values.postgres.enabled }}{{ $made = append $made "POSTGRES_PASSWORD" }}{{ end -}}
{{- if $values.minio.enabled }}{{ $made = concat $made (list "S3_ACCESS_KEY_ID" "S3_SECRET_ACCESS_KEY") }}{{ end -}}
{{- range $made }}{{ $_ := set $found . (get $there . | b64dec | default (randAlphaNum 40)) }}{{ end -}}
{{- range $name, $value := $values.secrets.values }}{{ if $value }}{{ $_ := set $found $name $value }}{{ end }}{{ end -}}
{{- if $values.postgres.enabled -}}
{{- $host := include "grading.name" (dict "root" .root "component" "postgres") -}}
{{- $_ := set $found "DATABASE_URL" (printf "postgresql://gateway:%s@%s:5432/gateway" $found.POSTGRES_PASSWORD $host) -}}
{{- end -}}
{{- if $values.redis.enabled -}}
{{- $_ := set $found "REDIS_URL" (printf "redis://%s:6379/0" (include "grading.name" (dict "root" .root "component" "redis"))) -}}
{{- end -}}
{{- $_ := set $values.secrets "found" $found -}}
{{- end -}}
{{- end }}

{{/* Of what a pod reads at its start: a change replaces it. Not of the key file: the gateway looks at that by itself. */}}
{{- define "grading.checksums" -}}
{{- $data := dict -}}
{{- if .root.Values.secrets.existing -}}
{{- $data = (lookup "v1" "Secret" .root.Release.Namespace .root.Values.secrets.existing).data | default dict -}}
{{- else -}}
{{- include "grading.findSecrets" . -}}
{{- $data = .root.Values.secrets.found -}}
{{- end -}}
{{- $read := dict -}}
{{- range .secrets }}{{ $_ := set $read . (get $data .) }}{{ end -}}
checksum/secrets: {{ toJson $read | sha256sum }}
{{- if .settings }}
checksum/settings: {{ include "grading.settings" . | sha256sum }}
{{- end }}
{{- end }}
