{{/* What every pod has. Service links are off: a Service `embeddings` would set EMBEDDINGS_PORT to an address. */}}
{{- define "grading.pod" -}}
{{- $placement := (get .root.Values .component | default dict).placement | default dict -}}
serviceAccountName: {{ include "grading.name" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets: {{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user | default 10001 }}
  runAsGroup: {{ .user | default 10001 }}
  fsGroup: {{ .user | default 10001 }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {{ include "grading.selector" $ | fromYaml | toJson }}}
  {{- end }}
{{- with $placement }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What every container of ours has, but its command, probes and volumes. */}}
{{- define "grading.container" -}}
image: {{ include "grading.image" . }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
{{ include "grading.confined" . }}
{{- end }}

{{- define "grading.confined" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources: {{- toYaml (.resources | default (get .root.Values .component | default dict).resources) | nindent 2 }}
{{- end }}

{{/* One setting from the Secret: name, and key where that differs. What may lack is optional. */}}
{{- define "grading.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ include "grading.secretName" . }}
      key: {{ .key | default .name }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end }}

{{/* A map of settings as environment; what is empty was not said. */}}
{{- define "grading.env" -}}
{{- range $name, $value := . }}
- {name: {{ $name }}, value: {{ include "grading.text" $value | quote }}}
{{- end }}
{{- end }}

{{/* A number from YAML is a float by now, and 134217728 would be told as 1.34217728e+08. */}}
{{- define "grading.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end }}

{{- define "grading.claim" -}}
accessModes: [{{ .accessMode | default "ReadWriteOnce" }}]
{{- with .storageClass }}
storageClassName: {{ . }}
{{- end }}
resources: {requests: {storage: {{ .size }}}}
{{- end }}
