#!/bin/sh
# Makes the secrets of compose.yaml where there are none yet, each in a file of its own.
set -eu
folder="${1:-$(dirname "$0")/secrets}"
mkdir -p "$folder"
# Others cannot enter it; inside a container the files belong to somebody else, who reads them.
chmod 700 "$folder"

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
base64_key() { head -c 32 /dev/urandom | base64; }
keep() { # NAME CONTENT
    [ -s "$folder/$1" ] || printf '%s' "$2" > "$folder/$1"
    chmod 444 "$folder/$1"
}

keep postgres_password "$(random)"
keep perdure_password "$(random)"
keep temporal_password "$(random)"
keep grafana_password "$(random)"
keep database_url "postgresql://perdure:$(cat "$folder/perdure_password")@postgresql:5432/perdure"
keep callback_secrets "[\"whsec_$(base64_key)\"]"
keep payload_keys "[\"first:$(base64_key)\"]"
