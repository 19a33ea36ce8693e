#!/bin/sh
# Perdure's namespace, and the search attributes that its workflows have; harmless to repeat.
set -eu
namespace="$TEMPORAL_NAMESPACE"
temporal operator namespace describe --namespace "$namespace" > /dev/null 2>&1 ||
    temporal operator namespace create --namespace "$namespace" --retention 72h
for name in OperationKind OperationStatus CustomerId FailureStep; do
    # The namespace takes a moment to be known everywhere.
    until temporal operator search-attribute list --namespace "$namespace" | grep -qw "$name"; do
        temporal operator search-attribute create --namespace "$namespace" --name "$name" --type Keyword ||
            sleep 1
    done
done
