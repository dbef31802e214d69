#!/usr/bin/env bash
# Deploys Rollcall to Azure or upgrades it: builds the app, deploys main.bicep, publishes the app, and waits for an answer.
#
#   infra/deploy.sh --resource-group GROUP --parameters FILE [--location REGION] [--what-if]
#
#   --resource-group GROUP   the group for all resources of Rollcall, and for nothing else
#   --parameters FILE        a .bicepparam file, such as infra/small.bicepparam; use the same file for every upgrade
#   --location REGION        needed only once, to create the group
#   --what-if                show what would change in Azure, without changing it
#
# If FILE does not set administratorId, the user who is signed in becomes the administrator, who adds tenants.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=azure.sh
source "$root/infra/azure.sh"

group='' location='' parameters='' preview=no
while [ $# -gt 0 ]; do
	case $1 in
		--resource-group) group=$(value "$@") && shift ;;
		--location) location=$(value "$@") && shift ;;
		--parameters) parameters=$(value "$@") && shift ;;
		--what-if) preview=yes ;;
		--help) manual && exit ;;
		*) misused "unknown option $1" ;;
	esac
	shift
done
[ -n "$group" ] || misused '--resource-group is needed'
[ -n "$parameters" ] || misused '--parameters is needed'
[ -f "$parameters" ] || misused "the file $parameters does not exist"
[[ $parameters == *.bicepparam ]] || misused "$parameters is not a .bicepparam file"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# az installs Bicep once and never upgrades it. From 0.34 on, modules need no names.
# https://github.com/Azure/bicep/releases/tag/v0.34.1
require_bicep() {
	local version
	# If Bicep is not installed yet, az fetches the newest version when it deploys.
	version=$(az bicep version 2>/dev/null) || return 0
	version=${version#Bicep CLI version }
	version=${version%% *}
	at_least "$version" 0.34 || fail "the Bicep of az is $version; 0.34 or newer is needed" 'run: az bicep upgrade'
}

build() {
	(cd "$root" && npm ci --no-audit --no-fund && npm run package)
}

# Sets $exists. Refuses a missing group that this run cannot create.
check_group() {
	exists=$(az group exists --name "$group")
	[ "$exists" = false ] || return 0
	[ "$preview" = no ] || fail "the resource group $group does not exist; a preview needs it" "run: az group create --name $group --location REGION"
	[ -n "$location" ] || misused "the resource group $group does not exist: --location is needed to create it"
}

ensure_group() {
	[ "$exists" = false ] || return 0
	az group create --name "$group" --location "$location" --output none
}

# The owner of the subscription has no access to tables and secrets, so an administrator needs roles for them.
administrator() {
	local kind user
	if grep -Eq '^param administratorId( |=)' "$parameters"; then return; fi
	kind=$(az account show --query user.type --output tsv) || fail 'az does not name the signed-in user'
	if [ "$kind" != user ]; then
		printf 'Not signed in as a user: set administratorId in %s to the administrator who adds tenants.\n' "$parameters" >&2
		return
	fi
	user=$(az ad signed-in-user show --query id --output tsv) || fail 'az does not name the signed-in user' "set administratorId in $parameters"
	printf 'administratorId=%s' "$user"
}

deploy_resources() {
	local arguments=(--resource-group "$group" --name "$deployment" --parameters "$parameters") administrator
	administrator=$(administrator)
	[ -z "$administrator" ] || arguments+=("$administrator")
	if [ "$preview" = yes ]; then
		az deployment group create "${arguments[@]}" --what-if
	else
		az deployment group create "${arguments[@]}" --output none
	fi
}

# status_of PATH: the status of a GET to the app, 000 without an answer. Writes the body to $work/answer.
status_of() {
	rm -f "$work/answer"
	curl --silent --max-time 30 --output "$work/answer" --write-out '%{http_code}' \
		--header 'Authorization: Bearer none' "https://$host$1" || true
}

# Waits up to ten minutes until the app runs (/scim/health) and can read tables and vault. A request with a wrong token shows
# the latter: the app answers 401 only if it can read both.
await_app() {
	local attempt end=$((SECONDS + 600)) health='' status=''
	for ((attempt = 1; attempt <= 60 && SECONDS < end; attempt++)); do
		[ "$health" = 200 ] || health=$(status_of /scim/health)
		if [ "$health" = 200 ]; then
			status=$(status_of /scim/deploy-check/ServiceProviderConfig)
			if [ "$status" = 401 ] && grep -q 'urn:ietf:params:scim:api:messages:2.0:Error' "$work/answer"; then return; fi
		fi
		sleep 10
	done
	[ ! -s "$work/answer" ] || head -c 1000 "$work/answer" >&2
	[ "$health" = 200 ] ||
		fail "https://$host does not run after ten minutes: the status of /scim/health is $health" 'look at the Log stream of the function app, and run this again'
	fail "https://$host runs, but cannot use tables or vault after ten minutes: the last status was $status" 'a new role may take longer: run this again; then look at the failures in Application Insights'
}

# Everything that can be wrong with the command line is found before the build, which takes minutes.
require_azure
require_bicep
check_group
if [ "$preview" = no ]; then
	require node npm curl
	at_least "$(node --print process.versions.node)" 20.19 || fail "node is $(node --version); 20.19 or newer is needed"
	build
fi
ensure_group
deploy_resources
[ "$preview" = no ] || exit 0

app=$(output_of appName)
host=$(output_of hostName)
printf 'Publishing to %s\n' "$app"
with_retries az functionapp deployment source config-zip --resource-group "$group" --name "$app" --src "$root/dist/rollcall.zip" \
	--build-remote false --timeout 600 --output none
printf 'Waiting for https://%s\n' "$host"
await_app

cat <<END

Rollcall is running at https://$host
Now add a tenant. The command prints the Tenant URL and the Secret Token for Entra:

    npm run rollcall -- tenant add NAME --resource-group $group
END
