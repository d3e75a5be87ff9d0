{{/* Who speaks with whom. Each line becomes the way out of one and the way into the other; nothing else is open. */}}
{{- define "grading.flows" -}}
- {from: gateway, to: llm, port: 8080}
- {from: gateway, to: embeddings, port: 8081}
- {from: gateway, to: postgres, port: 5432}
- {from: gateway, to: redis, port: 6379}
- {from: gateway, to: minio, port: 9000}
- {from: worker, to: postgres, port: 5432}
- {from: worker, to: minio, port: 9000}
- {from: worker, to: mlflow, port: 5000}
- {from: worker, to: evidently, port: 8502}
- {from: mlflow, to: minio, port: 9000}
- {from: bucket, to: minio, port: 9000}
- {from: ui, to: gateway, port: 38300}
- {from: bot, to: gateway, port: 38300}
- {from: smoke, to: gateway, port: 38300}
{{- end }}

{{/* Who else comes in, from outside the release. */}}
{{- define "grading.visitors" -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- $batch := list -}}
{{- $training := list -}}
{{- if $policy.ray -}}
{{- $labels := dict "app.kubernetes.io/part-of" "grading-gateway" -}}
{{- $batch = list (dict "podSelector" (dict "matchLabels" (merge (dict "app.kubernetes.io/component" "batch") $labels))) -}}
{{- $training = list (dict "podSelector" (dict "matchLabels" (merge (dict "app.kubernetes.io/component" "training") $labels))) -}}
{{- end -}}
{{- dict
  "gateway" (list
    (dict "from" $policy.clients "ports" (list (dict "port" 38300) (dict "port" 50051)))
    (dict "from" $policy.monitoring "ports" (list (dict "port" 9102))))
  "embeddings" (list (dict "from" (concat $policy.monitoring $batch) "ports" (list (dict "port" 8081))))
  "ui" (list (dict "from" $policy.clients "ports" (list (dict "port" 8501))))
  "bot" (list (dict "from" $policy.botClients "ports" (list (dict "port" 6872))))
  "llm" (list (dict "from" $batch "ports" (list (dict "port" 8080))))
  "postgres" (list (dict "from" (concat $batch $training) "ports" (list (dict "port" 5432))))
  "minio" (list (dict "from" $training "ports" (list (dict "port" 9000))))
  "mlflow" (list (dict "from" $training "ports" (list (dict "port" 5000))))
  "evidently" (list (dict "from" $training "ports" (list (dict "port" 8502))))
  | toJson -}}
{{- end }}

{{/* Where else one goes: what the values say, and the model hub, which is somewhere in public. */}}
{{- define "grading.journeys" -}}
{{- $rules := get .root.Values.networkPolicy.egress .component | default list -}}
{{- if and (eq .component "llm") .root.Values.llm.hub -}}
{{- $private := list "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16" "169.254.0.0/16" -}}
{{- $public := dict "ipBlock" (dict "cidr" "0.0.0.0/0" "except" $private) -}}
{{- $rules = append $rules (dict "to" (list $public) "ports" (list (dict "port" 443))) -}}
{{- end -}}
{{- toJson $rules -}}
{{- end }}
