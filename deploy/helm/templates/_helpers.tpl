{{/* Name of all resources: the release's, which has the chart's in it. */}}
{{- define "horolog.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "horolog.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "horolog.labels" -}}
{{ include "horolog.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "horolog.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
{{- end }}

{{/* What no container of the chart may do. */}}
{{- define "horolog.confinement" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "horolog.podConfinement" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
# Files of Secrets are for this group alone.
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Names that nodes answer to: those of the Service and `hosts`. */}}
{{- define "horolog.allowedHosts" -}}
{{- $name := include "horolog.name" . -}}
{{- $service := list (printf "%s.$(POD_NAMESPACE)" $name) (printf "%s.$(POD_NAMESPACE).svc" $name) (printf "%s.$(POD_NAMESPACE).svc.cluster.local" $name) -}}
{{- concat $service .Values.hosts | join "," -}}
{{- end }}

{{- define "horolog.redirectUrl" -}}
{{- with .Values.auth.openid.redirectUrl -}}
{{ . }}
{{- else -}}
{{- printf "https://%s/session/openid/callback" (required "auth.openid needs hosts, or auth.openid.redirectUrl" (first .Values.hosts)) -}}
{{- end -}}
{{- end }}

{{/* GROUP=ROLE;GROUP=ROLE */}}
{{- define "horolog.grants" -}}
{{- $grants := list -}}
{{- range $group, $role := .Values.auth.openid.grants -}}
{{- $grants = append $grants (printf "%s=%s" $group $role) -}}
{{- end -}}
{{- $grants | join ";" -}}
{{- end }}

{{- define "horolog.volumes" -}}
{{- if .Values.database.caSecret }}
- name: database-ca
  secret: {secretName: {{ .Values.database.caSecret }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- if .Values.tls.secret }}
- name: tls
  secret: {secretName: {{ .Values.tls.secret }}, defaultMode: 0440}
{{- end }}
{{- if and .Values.auth.openid.issuer .Values.auth.openid.clientSecret }}
- name: openid
  secret: {secretName: {{ .Values.auth.openid.clientSecret }}, defaultMode: 0440}
{{- end }}
{{- if .Values.secretsKey.secret }}
- name: secrets-key
  secret: {secretName: {{ .Values.secretsKey.secret }}, defaultMode: 0440}
{{- end }}
{{- end }}
