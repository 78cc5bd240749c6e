{{/* What selects the pods. */}}
{{- define "fusegate.selector" -}}
app.kubernetes.io/name: fusegate
{{- end }}

{{/* What selects the pods of one shard. */}}
{{- define "fusegate.shardSelector" -}}
{{ include "fusegate.selector" . }}
{{- if gt (int .Values.shards) 1 }}
fusegate.io/shard: {{ .shard | quote }}
{{- end }}
{{- end }}

{{/* The numbers of the shards, as JSON. */}}
{{- define "fusegate.shards" -}}
{{ untilStep 1 (int (add1 .Values.shards)) 1 | toJson }}
{{- end }}

{{/* What the names of a shard's objects end with: nothing where there is one shard. */}}
{{- define "fusegate.suffix" -}}
{{ if gt (int .Values.shards) 1 }}-{{ .shard }}{{ end }}
{{- end }}

{{/* How the HTTP port is spoken to: HTTP or HTTPS. */}}
{{- define "fusegate.scheme" -}}
{{- ternary "HTTP" "HTTPS" (empty (or .Values.http.certificates.secretName (get .Values.options "http-tls-cert"))) }}
{{- end }}

{{/* The options of `fusegate run`, as YAML: those of the values, and what the certificates of the ports add. */}}
{{- define "fusegate.options" -}}
{{- $options := deepCopy .Values.options }}
{{- if ne .Values.xds.certificates.from "None" }}
{{- $options = omit $options "xds-insecure" }}
{{- $folder := "/etc/fusegate-xds" }}
{{- $own := dict "xds-tls-cert" (printf "%s/tls.crt" $folder) "xds-tls-key" (printf "%s/tls.key" $folder) "xds-tls-client-ca" (printf "%s/ca.crt" $folder) "xds-layers" "certificate" }}
{{- $options = merge $options $own }}
{{- end }}
{{- if and (get $options "webhook-listen") (ne .Values.webhook.certificates.from "Own") }}
{{- $options = merge $options (dict "webhook-secret" .Values.webhook.certificates.secretName) }}
{{- end }}
{{- with .Values.http.certificates }}
{{- if .secretName }}
{{- $folder := "/etc/fusegate-http" }}
{{- $own := dict "http-tls-cert" (printf "%s/tls.crt" $folder) "http-tls-key" (printf "%s/tls.key" $folder) }}
{{- if .clients }}
{{- $_ := set $own "http-tls-client-ca" (printf "%s/ca.crt" $folder) }}
{{- end }}
{{- $options = merge $options $own }}
{{- end }}
{{- end }}
{{- if gt (int .Values.shards) 1 }}
{{- $_ := set $options "shard" (printf "%d/%d" (int .shard) (int .Values.shards)) }}
{{- end }}
{{- toYaml $options }}
{{- end }}

{{/* The ports, as YAML: of each option NAME-listen, NAME and its port. The debug port is for port-forward alone. */}}
{{- define "fusegate.ports" -}}
{{- range $option, $address := .Values.options }}
{{- if and $address (hasSuffix "-listen" $option) (ne $option "debug-listen") }}
{{ trimSuffix "-listen" $option }}: {{ regexFind "[0-9]+$" $address }}
{{- end }}
{{- end }}
{{- end }}
