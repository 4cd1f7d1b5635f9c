{{- define "gemgate.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "gemgate.selector" -}}
app.kubernetes.io/name: gemgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gemgate.labels" -}}
{{ include "gemgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}
