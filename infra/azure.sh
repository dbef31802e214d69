# shellcheck shell=bash
# What deploy.sh and destroy.sh have in common. Sourced, not run.

# The deployment of main.bicep in its resource group; its outputs tell the scripts what is where.
readonly deployment=rollcall

# fail MESSAGE [HINT]
fail() {
	printf 'error: %s\n' "$1" >&2
	[ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
	exit 1
}

# misused MESSAGE: the command line is wrong. The script's first comment is its manual.
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

# An az that is new enough and signed in. 2.61 is the first that takes a parameter beside a .bicepparam file.
# https://learn.microsoft.com/cli/azure/release-notes-azure-cli#may-21-2024
require_azure() {
	local version
	require az
	version=$(az version --query '"azure-cli"' --output tsv)
	at_least "$version" 2.61 || fail "az is $version; 2.61 or newer is needed" 'run: az upgrade'
	az account show --query id --output tsv >/dev/null 2>&1 || fail 'az is not signed in' 'run: az login'
}

# show_deployment QUERY: something of the deployment in the resource group $group
show_deployment() {
	# shellcheck disable=SC2154 # the sourcing script sets it
	az deployment group show --resource-group "$group" --name "$deployment" --query "$1" --output tsv ||
		fail "the resource group $group holds no deployment of Rollcall" "see: az deployment group list --resource-group $group"
}

require_deployment() {
	show_deployment name >/dev/null
}

# output_of NAME: an output of the deployment
output_of() {
	show_deployment "properties.outputs.$1.value"
}

# patiently COMMAND...: repeats for five minutes what Azure refuses while a role assignment has not reached every server.
# Keeps what the command says in the folder $work.
patiently() {
	# shellcheck disable=SC2154 # the sourcing script sets it
	local attempt log=$work/patiently.log
	for ((attempt = 1; ; attempt++)); do
		if "$@" 2>"$log"; then return; fi
		cat "$log" >&2
		grep -Eqiw '403|forbidden|not authorized|AuthorizationFailure|AuthorizationPermissionMismatch|BlobUploadFailed(Exception)?' "$log" ||
			fail "$1 $2 $3 failed" 'what it says is above; put that right, and run this again'
		[ "$attempt" -lt 11 ] || fail "$1 $2 $3 is still refused after five minutes" 'look at the role assignments of the resource in the portal'
		printf 'A new role takes some minutes to work; trying again in 30 seconds (%s of 10).\n' "$attempt" >&2
		sleep 30
	done
}
