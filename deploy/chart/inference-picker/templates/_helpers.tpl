{{- define "inference-picker.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "inference-picker.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "inference-picker.labels" -}}
{{ include "inference-picker.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "inference-picker.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "inference-picker.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "inference-picker.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "inference-picker.envoyImage" -}}
{{- with .Values.gateway.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Names of what stands outside the release's namespace, where others may be; neither part has a colon in it. */ -}}
{{- define "inference-picker.foreignName" -}}
{{- .Release.Namespace }}:{{ include "inference-picker.fullname" . }}
{{- end -}}

{{- /* The Envoy clusters of the feed, one a replica. */ -}}
{{- define "inference-picker.feedClusters" -}}
{{- $names := list -}}
{{- range $i := until (int .Values.controller.replicas) -}}
{{- $names = append $names (printf "inference-picker-feed-%d" $i) -}}
{{- end -}}
{{- join "," $names -}}
{{- end -}}

{{- /* What every container may and may not do: the restricted Pod Security Standard, and no writable root. */ -}}
{{- define "inference-picker.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "inference-picker.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- /* Flags that both shapes give the controller. */ -}}
{{- define "inference-picker.commonArgs" -}}
- --wasm-file=/var/lib/inference-picker/inference-picker.wasm
# The kubelet and Prometheus come from outside the pod.
- --web-listen=0.0.0.0:18001
- --log-level={{ .Values.logLevel }}
{{- if .Values.routes }}
- --pools-file=/etc/inference-picker/routes/routes.yaml
{{- end }}
{{- end -}}

{{- /* What the doctor has to know as well stands in variables, which `kubectl exec` hands on, and not in flags. */ -}}
{{- define "inference-picker.env" -}}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- { name: INFERENCE_PICKER_SOURCE, value: kubernetes }
- { name: INFERENCE_PICKER_CLUSTER_DOMAIN, value: {{ .Values.clusterDomain | quote }} }
- { name: INFERENCE_PICKER_PICKER_REF, value: {{ .Values.pickerRef | quote }} }
- { name: INFERENCE_PICKER_ISTIO, value: {{ .Values.istio.enabled | quote }} }
{{- with .Values.watchNamespace }}
- { name: INFERENCE_PICKER_NAMESPACE, value: {{ . | quote }} }
{{- end }}
{{- if .Values.parent }}
- { name: INFERENCE_PICKER_PARENT, value: {{ .Values.parent | quote }} }
- { name: INFERENCE_PICKER_LEASE, value: "{{ .Release.Namespace }}/{{ include "inference-picker.fullname" . }}" }
{{- end }}
{{- if eq .Values.shape "controller" }}
# The doctor's: no Envoy is in this pod.
- { name: INFERENCE_PICKER_ENVOY_ADMIN, value: none }
{{- end }}
{{- end -}}

{{- /* Only the controller's container gets the token: Envoy, which clients talk to, has no use for it. */ -}}
{{- define "inference-picker.mounts" -}}
- { name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true }
{{- if .Values.routes }}
- { name: routes, mountPath: /etc/inference-picker/routes, readOnly: true }
{{- end }}
{{- end -}}

{{- define "inference-picker.volumes" -}}
- name: token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: { path: token, expirationSeconds: 3600 }
      - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
      - downwardAPI: { items: [{ path: namespace, fieldRef: { fieldPath: metadata.namespace } }] }
{{- if .Values.routes }}
- name: routes
  configMap: { name: {{ include "inference-picker.fullname" . }}-routes }
{{- end }}
{{- end -}}

{{- define "inference-picker.scheduling" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
# One node's end must not take every replica along where there are others.
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "inference-picker.selector" . | nindent 8 }}
{{- end -}}
