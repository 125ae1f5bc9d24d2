#!/usr/bin/env bash
# Pauses Homeostat's repairs of some targets before a deployment; after it ends that pause and reconciles them.
#
#     handshake.sh before|after
#
# HOMEOSTAT_URL, HOMEOSTAT_KEY   the service and a host key of it, which opens all its functions
# TARGETS                        names of targets, one a line
# MINUTES                        before: when the pause ends by itself (60)
# TIMEOUT_SECONDS                after: how long to look again while writes are under way (600)
# DEPLOYMENT                     what tells this deployment's pause from others' (on GitHub, the run's address)
#
# Ends with 0, with 2 where drift remains, and with 1 where the service could not be asked or could not judge.
# Needs curl and jq, and nothing of GitHub: any pipeline can run it.
set -euo pipefail

RETRIES=${RETRIES:-4}
LOOK_AGAIN_SECONDS=${LOOK_AGAIN_SECONDS:-10}
targets=()
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

annotate() { # LEVEL TITLE MESSAGE
    if [[ ${GITHUB_ACTIONS:-} != true ]]; then
        echo "$2: $3" >&2
        return
    fi
    local message=${3//'%'/%25}
    message=${message//$'\r'/%0D}
    echo "::$1 title=$2::${message//$'\n'/%0A}"
}

die() {
    annotate error "Homeostat" "$1"
    exit 1
}

ask() { # METHOD PATH [BODY]: leaves the answer's body in $answer; fails, with a message, for anything but a 2xx
    local status
    local options=(--silent --show-error --request "$1" --max-time 240 --retry "$RETRIES" --retry-connrefused)
    if (($# > 2)); then options+=(--header 'Content-Type: application/json' --data "$3"); fi
    # The key is read from a file descriptor: other processes could read it among the arguments.
    if ! status=$(curl "${options[@]}" --output "$answer" --write-out '%{http_code}' \
        --header @<(printf 'x-functions-key: %s\n' "$HOMEOSTAT_KEY") "$HOMEOSTAT_URL/api/$2"); then
        annotate error "Homeostat" "$HOMEOSTAT_URL does not answer. Check the url and the network."
        return 1
    fi
    case $status in
        2??)
            if jq -e 'type == "object"' "$answer" >/dev/null 2>&1; then return 0; fi
            annotate error "Homeostat" "$HOMEOSTAT_URL does not answer in JSON. Is it the function app's address?"
            ;;
        401 | 403) annotate error "Homeostat" "$HOMEOSTAT_URL refuses the key ($status). Give a host key of it: az functionapp keys list." ;;
        *) annotate error "Homeostat" "$1 $2 was answered with $status: $(jq -r '.error.message // "no reason"' "$answer" 2>/dev/null || echo 'no JSON')" ;;
    esac
    return 1
}

pause_of() { # TARGET FIELD: of the target's own pause, or nothing; call after `ask GET targets/TARGET`
    jq -r --arg name "$1" --arg field "$2" 'first(.pauses[] | select(.target == $name))[$field] // ""' "$answer"
}

before() {
    local target until others_until others_reason
    [[ $MINUTES =~ ^[1-9][0-9]{0,4}$ ]] || die "minutes is '$MINUTES': give a number from 1 to 43200."
    for target in "${targets[@]}"; do
        ask GET "targets/$target" || exit 1
        until=$(date --utc --date "+$MINUTES minutes" +%Y-%m-%dT%H:%M:%SZ)
        others_until=$(pause_of "$target" until)
        others_reason=$(pause_of "$target" reason)
        if [[ -n $others_until && $others_reason != "$deployment" && $(date --date "$others_until" +%s) -gt $(date --date "$until" +%s) ]]; then
            annotate notice "Homeostat" "$target is already paused until $others_until ($others_reason); that pause stays."
            continue
        fi
        ask POST "targets/$target/pause" "$(jq -nc --arg until "$until" --arg reason "$deployment" '{until: $until, reason: $reason}')" || exit 1
        echo "$target is paused until $until."
    done
}

resume_own() { # ends this deployment's pauses, every one of them even where another cannot be ended
    local target reason failed=0
    for target in "${targets[@]}"; do
        if ! ask GET "targets/$target"; then
            failed=1
            continue
        fi
        reason=$(pause_of "$target" reason)
        if [[ $reason == "$deployment" ]]; then
            if ask POST "targets/$target/resume" '{}'; then echo "$target is no longer paused."; else failed=1; fi
        elif [[ -n $(pause_of "$target" until) ]]; then
            annotate warning "Homeostat" "$target stays paused by somebody else: $reason"
        else
            annotate warning "Homeostat" "$target was not paused any more. If the deployment outlasted the pause, give it more minutes."
        fi
    done
    return "$failed"
}

reconcile() { # leaves the finished run in $answer
    local id
    ask POST remediate "$(jq -nc --arg reason "after $deployment" '{targets: $ARGS.positional, wait: true, reason: $reason}' --args "${targets[@]}")" || return 1
    id=$(jq -r '.id' "$answer")
    until [[ $(jq -r '.state // ""' "$answer") == "done" ]]; do
        if ((SECONDS >= deadline)); then
            annotate error "Homeostat" "Run $id is not done after $TIMEOUT_SECONDS s: see $HOMEOSTAT_URL/api/runs/$id"
            return 1
        fi
        sleep "$LOOK_AGAIN_SECONDS"
        ask GET "runs/$id" || return 1
    done
}

summary() { # the run in $answer, as Markdown; every word of it was once written by somebody
    jq -r '
        def plain: tostring | gsub("[\\r\\n]+"; " ") | gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub("(?<c>[\\\\|`*_\\[\\]])"; "\\\(.c)");
        def drift: "\(.kind) \(if .item then .item else .path end)" | plain;
        "## Homeostat after the deployment: \(.status | plain)", "",
        "| Resource | Status | Open |", "|---|---|---|",
        (.roots[] | "| \(.root | split("/")[-2:] | join("/") | plain) | \(.status | plain) | \(
            [(.held[] | "\(.drift | drift): \(.message | plain)"),
             (if .status | IN("drifted", "settling", "unknown", "missing") then .drifts[] | drift else empty end),
             (.error | select(. != "") | plain)] | unique | join("<br>")) |")' "$answer"
}

after() {
    local resumed=0 status
    [[ $TIMEOUT_SECONDS =~ ^[0-9]{1,5}$ ]] || die "timeout-seconds is '$TIMEOUT_SECONDS': give a number."
    resume_own || resumed=1
    deadline=$((SECONDS + TIMEOUT_SECONDS))
    reconcile || exit 1
    status=$(jq -r .status "$answer")
    while [[ $status =~ ^(settling|missing|busy)$ ]] && ((SECONDS < deadline)); do
        echo "$status: looking again in $LOOK_AGAIN_SECONDS s."
        sleep "$LOOK_AGAIN_SECONDS"
        reconcile || exit 1
        status=$(jq -r .status "$answer")
    done
    summary | tee -a "${GITHUB_STEP_SUMMARY:-/dev/null}"
    echo "status=$status" >>"${GITHUB_OUTPUT:-/dev/null}"
    conclude "$status" || exit
    return "$resumed"
}

conclude() { # STATUS
    case $1 in
        in-sync | healed | retired) echo "The targets are as declared." ;;
        ignored) annotate warning "Homeostat" "Nothing was looked at: HOMEOSTAT_MODE is ignore." ;;
        settling | missing | drifted | held | planned)
            annotate error "Homeostat: drift" "Drift remains after the deployment ($1). The job's summary shows it."
            return 2
            ;;
        *)
            annotate error "Homeostat: error" "Not everything could be judged or repaired ($1). The job's summary shows it."
            return 1
            ;;
    esac
}

# --- what was asked ---

HOMEOSTAT_URL=${HOMEOSTAT_URL%/}
MINUTES=${MINUTES:-60}
TIMEOUT_SECONDS=${TIMEOUT_SECONDS:-600}
deployment=${DEPLOYMENT:-deployment ${GITHUB_SERVER_URL:?set DEPLOYMENT}/${GITHUB_REPOSITORY:?}/actions/runs/${GITHUB_RUN_ID:?}}

[[ $HOMEOSTAT_URL =~ ^(https://|http://(localhost|127\.0\.0\.1)(:|$)) ]] || die "url is '$HOMEOSTAT_URL': give an address that begins with https://"
[[ -n $HOMEOSTAT_KEY ]] || die "key is empty: give a host key of $HOMEOSTAT_URL."
while read -r target; do
    if [[ -n $target ]]; then targets+=("$target"); fi
done <<<"${TARGETS:-}"
[[ ${#targets[@]} -gt 0 ]] || die "targets is empty: name them, one a line."
for target in "${targets[@]}"; do
    [[ $target =~ ^[a-z0-9-]{1,123}$ ]] || die "'$target' is no target's name."
done

case ${1:-} in
    before) before ;;
    after) after ;;
    *) die "phase is '${1:-}': set it to before or after." ;;
esac
