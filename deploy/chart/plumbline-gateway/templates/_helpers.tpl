{{- define "gateway.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "gateway.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "gateway.broker" -}}
{{- if .Values.broker.url -}}
{{ .Values.broker.url }}
{{- else if .Values.nats.enabled -}}
nats://{{ .Release.Name }}-nats:4222
{{- end -}}
{{- end -}}

{{- /* Several pods without a broker would each be a world of its own. */ -}}
{{- define "gateway.check" -}}
{{- $most := int .Values.replicas -}}
{{- if ne .Values.autoscaling.kind "none" -}}{{- $most = int .Values.autoscaling.maxReplicas -}}{{- end -}}
{{- if and (gt $most 1) (not (include "gateway.broker" .)) -}}
{{- fail "several pods need a broker, or a message reaches only the clients of the pod it came to: set broker.url or nats.enabled=true, or autoscaling.kind=none and replicas=1" -}}
{{- end -}}
{{- if and (ne .Values.autoscaling.kind "none") (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail (printf "autoscaling.minReplicas=%d is above maxReplicas=%d" (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- end -}}
