#!/usr/bin/env bash
# Makes the plan, shows it in the job's summary, and ends with 0 (as declared), 2 (drift) or 1 (not everything could
# be judged), as `python -m homeostat plan --detailed-exitcode` does.
set -euo pipefail

home=$(cd "$GITHUB_ACTION_PATH/../../.." && pwd)
SUMMARY_LIMIT=1000000 # bytes; GitHub drops the whole summary of a step that writes more than 1 MiB

lines() { sed -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//' -e '/^$/d' <<<"$1"; }

annotate() { # LEVEL TITLE MESSAGE
    local message=${3//'%'/%25}
    message=${message//$'\r'/%0D}
    echo "::$1 title=$2::${message//$'\n'/%0A}"
}

if [[ $FAIL_ON_DRIFT != true && $FAIL_ON_DRIFT != false ]]; then
    annotate error "Homeostat" "fail-on-drift is '$FAIL_ON_DRIFT': set it to true or false."
    exit 1
fi
mapfile -t specs < <(lines "${SPECS:-}")
if [[ ${#specs[@]} == 0 ]]; then
    annotate error "Homeostat" "specs is empty: name the spec files or folders, one a line."
    exit 1
fi
arguments=()
while read -r target; do
    if [[ -n $target ]]; then arguments+=(--target "$target"); fi
done < <(lines "$TARGETS")

# On a runner in Azure a search through all credentials would find the runner's own identity first.
export AZURE_TOKEN_CREDENTIALS=${AZURE_TOKEN_CREDENTIALS:-AzureCliCredential}
subscription=${SUBSCRIPTION_ID:-${AZURE_SUBSCRIPTION_ID:-}}
if [[ -z $subscription ]]; then # specs may name their own, so none is no error yet
    subscription=$(az account show --query id --output tsv 2>/dev/null || true)
fi
export AZURE_SUBSCRIPTION_ID=$subscription

made=$(mktemp -d "$RUNNER_TEMP/homeostat-plan.XXXXXX")
report=$made/plan.md errors=$made/errors.txt code=0
# -P: nothing that lies in the workspace is imported in Homeostat's place.
PYTHONPATH=$home "$RUNNER_TEMP/homeostat/bin/python" -P -m homeostat plan --detailed-exitcode \
    --format markdown --out "$report" "${arguments[@]}" -- "${specs[@]}" 2>"$errors" || code=$?

# What Azure answered is shown, and never taken for a command to the runner.
guard=homeostat-$RANDOM$RANDOM$RANDOM
echo "::stop-commands::$guard"
cat "$errors" >&2
echo "::$guard::"

if [[ -s $report ]]; then
    if (($(stat --format %s "$report") <= SUMMARY_LIMIT)); then
        cat "$report"
    else
        head --bytes "$SUMMARY_LIMIT" "$report" | sed '$d' # not the half of a line
        printf '\n**The plan is longer than a summary may be: the output "report" names the whole.**\n'
    fi >>"$GITHUB_STEP_SUMMARY"
    echo "report=$report" >>"$GITHUB_OUTPUT"
else
    { printf '## Homeostat: no plan\n\n'; sed 's/^/    /' "$errors"; } >>"$GITHUB_STEP_SUMMARY"
fi

case $code in
    0)
        echo "drift=false" >>"$GITHUB_OUTPUT"
        echo "Everything is as declared."
        ;;
    2)
        echo "drift=true" >>"$GITHUB_OUTPUT"
        message="Azure is not as the specs declare it. The job's summary shows what differs and what would be written."
        if [[ $FAIL_ON_DRIFT == true ]]; then
            annotate error "Homeostat: drift" "$message"
            exit 2
        fi
        annotate warning "Homeostat: drift" "$message"
        ;;
    *)
        echo "drift=unknown" >>"$GITHUB_OUTPUT"
        annotate error "Homeostat: error" "This is no drift: not everything could be judged. $(head --lines 20 "$errors")"
        exit 1
        ;;
esac
