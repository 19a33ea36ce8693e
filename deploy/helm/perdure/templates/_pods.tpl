{{- define "perdure.selector" -}}
app.kubernetes.io/name: perdure
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "perdure.labels" -}}
{{ include "perdure.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "perdure.name" -}}
{{ printf "%s-%s" .root.Release.Name .component | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What every pod has in common. Given: root, component, command, pool, resources, probes, grace. */}}
{{- define "perdure.pod" -}}
metadata:
  labels:
    {{- include "perdure.labels" . | nindent 4 }}
  {{- if not .once }}
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ .root.Values.metrics.port | quote }}
  {{- end }}
spec:
  {{- if not .once }}
  serviceAccountName: {{ .root.Release.Name }}
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets: {{ toJson . }}
  {{- end }}
  {{- if .grace }}
  terminationGracePeriodSeconds: {{ .grace }}
  {{- end }}
  {{- if .once }}
  restartPolicy: Never
  {{- else }}
  topologySpreadConstraints:
    {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ $key }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "perdure.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: perdure
      image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag }}"
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: {{ toJson .command }}
      env:
        - {name: TEMPORAL_ADDRESS, value: {{ .root.Values.temporal.address | quote }}}
        - {name: TEMPORAL_NAMESPACE, value: {{ .root.Values.temporal.namespace | quote }}}
        - {name: TEMPORAL_TLS, value: {{ .root.Values.temporal.tls | quote }}}
        - {name: PERDURE_DATABASE_POOL_SIZE, value: {{ .pool | quote }}}
        {{- if not .once }}
        - {name: PERDURE_METRICS_HOST, value: "0.0.0.0"}
        - {name: PERDURE_METRICS_PORT, value: {{ .root.Values.metrics.port | quote }}}
        {{- end }}
        {{- with .root.Values.queues }}
        - {name: PERDURE_QUEUES, value: {{ toJson . | quote }}}
        {{- end }}
        {{- range $name, $key := .root.Values.secrets.settings }}
        - {name: {{ $name }}_FILE, value: /run/secrets/perdure/{{ $key }}}
        {{- end }}
        {{- range $name, $value := .root.Values.settings }}
        - {name: {{ $name }}, value: {{ $value | toString | quote }}}
        {{- end }}
      {{- if not .once }}
      ports: {{ append (.ports | default list) (dict "name" "metrics" "containerPort" (int .root.Values.metrics.port)) | toJson }}
      {{- end }}
      {{- range $name, $probe := .probes }}
      {{ $name }}: {{ toJson $probe }}
      {{- end }}
      resources: {{ toJson .resources }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: secrets, mountPath: /run/secrets/perdure, readOnly: true}
        - {name: temporary, mountPath: /tmp}
  volumes:
    - name: secrets
      secret: {secretName: {{ .root.Values.secrets.name }}, defaultMode: 0440}
    - name: temporary
      emptyDir: {sizeLimit: 64Mi}
{{- end }}
