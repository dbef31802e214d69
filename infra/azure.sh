# shellcheck shell=bash
# Functions that deploy.sh and destroy.sh share. Sourced, not run.

# The name of the deployment of main.bicep. Its outputs have the names of the resources.
readonly deployment=rollcall

# fail MESSAGE [HINT]
fail() {
	printf 'error: %s\n' "$1" >&2
	[ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
	exit 1
}

# misused MESSAGE: the command line is wrong. Prints the manual, which is the first comment of the script.
misused() {
	printf 'error: %s\n\n' "$1" >&2
	manual >&2
	exit 2
}

manual() {
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

# value OPTION VALUE...: the value of an option
value() {
	if [ $# -lt 2 ] || [ -z "$2" ]; then misused "$1 needs a value"; fi
	printf %s "$2"
}

# at_least VERSION MINIMUM: both begin with MAJOR.MINOR
at_least() {
	local major minor least_major least_minor
	IFS=. read -r major minor _ <<<"$1"
	IFS=. read -r least_major least_minor _ <<<"$2"
	[ "$major" -gt "$least_major" ] || { [ "$major" -eq "$least_major" ] && [ "$minor" -ge "$least_minor" ]; }
}

require() {
	local tool
	for tool in "$@"; do
		command -v "$tool" >/dev/null || fail "$tool is not installed"
	done
}

# Requires an az that is new enough and signed in. From 2.61 on, az accepts a parameter in addition to a .bicepparam file.
# https://learn.microsoft.com/cli/azure/release-notes-azure-cli#may-21-2024
require_azure() {
	local version
	require az
	version=$(az version --query '"azure-cli"' --output tsv)
	at_least "$version" 2.61 || fail "az is $version; 2.61 or newer is needed" 'run: az upgrade'
	az account show --query id --output tsv >/dev/null 2>&1 || fail 'az is not signed in' 'run: az login'
}

# show_deployment QUERY: a value of the deployment in the resource group $group
show_deployment() {
	# shellcheck disable=SC2154 # the sourcing script sets it
	az deployment group show --resource-group "$group" --name "$deployment" --query "$1" --output tsv ||
		fail "the resource group $group has no deployment of Rollcall" "see: az deployment group list --resource-group $group"
}

require_deployment() {
	show_deployment name >/dev/null
}

# output_of NAME: an output of the deployment
output_of() {
	show_deployment "properties.outputs.$1.value"
}

# with_retries COMMAND...: repeats a command for five minutes if Azure refuses it, because a role assignment takes minutes to
# reach every server. Writes the error output of the command to the folder $work.
with_retries() {
	# shellcheck disable=SC2154 # the sourcing script sets it
	local attempt log=$work/retries.log
	for ((attempt = 1; ; attempt++)); do
		if "$@" 2>"$log"; then return; fi
		cat "$log" >&2
		grep -Eqiw '403|forbidden|not authorized|AuthorizationFailure|AuthorizationPermissionMismatch|BlobUploadFailed(Exception)?' "$log" ||
			fail "$1 $2 $3 failed" 'its output is above: fix the problem, and run this again'
		[ "$attempt" -lt 11 ] || fail "$1 $2 $3 is still refused after five minutes" 'look at the role assignments of the resource in the Azure portal'
		printf 'A new role takes a few minutes to work; trying again in 30 seconds (%s of 10).\n' "$attempt" >&2
		sleep 30
	done
}
