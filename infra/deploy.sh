#!/usr/bin/env bash
# Deploys Rollcall to Azure, or upgrades it: builds the app, deploys main.bicep, publishes the app, waits until it answers.
#
#   infra/deploy.sh --resource-group GROUP --parameters FILE [--location REGION] [--what-if]
#
#   --resource-group GROUP   where everything is, and nothing else should be
#   --parameters FILE        a .bicepparam file, such as infra/small.bicepparam; the same one at every upgrade
#   --location REGION        needed once, to create the group
#   --what-if                say what would change in Azure, and change nothing
#
# Unless FILE sets administratorId, the user who is signed in becomes the administrator who adds tenants.
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
		*) misused "there is no option $1" ;;
	esac
	shift
done
[ -n "$group" ] || misused '--resource-group is needed'
[ -n "$parameters" ] || misused '--parameters is needed'
[ -f "$parameters" ] || misused "there is no file $parameters"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# az compiles with a Bicep that it installs once and never upgrades. 0.34 is the first for which modules need no names.
# https://github.com/Azure/bicep/releases/tag/v0.34.1
require_bicep() {
	local version
	# Where there is none yet, az fetches the newest one when it deploys.
	version=$(az bicep version 2>/dev/null) || return 0
	version=${version#Bicep CLI version }
	version=${version%% *}
	at_least "$version" 0.34 || fail "the Bicep of az is $version; 0.34 or newer is needed" 'run: az bicep upgrade'
}

build() {
	(cd "$root" && npm ci --no-audit --no-fund && npm run package)
}

ensure_group() {
	local exists
	exists=$(az group exists --name "$group")
	[ "$exists" = false ] || return 0
	[ "$preview" = no ] || fail "there is no resource group $group; a preview needs it" "run: az group create --name $group --location REGION"
	[ -n "$location" ] || misused "there is no resource group $group yet: --location is needed to create it"
	az group create --name "$group" --location "$location" --output none
}

# Ownership of the subscription does not include tables and secrets, so somebody needs roles for them.
administrator() {
	local kind user
	if grep -Eq '^param administratorId( |=)' "$parameters"; then return; fi
	kind=$(az account show --query user.type --output tsv) || fail 'az does not say who is signed in'
	if [ "$kind" != user ]; then
		printf 'Not signed in as a user: set administratorId in %s to whoever is to add tenants.\n' "$parameters" >&2
		return
	fi
	user=$(az ad signed-in-user show --query id --output tsv) || fail 'az does not say who is signed in' "set administratorId in $parameters"
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

# status_of PATH: the status of a GET from the app, 000 without an answer; the body is in $work/answer then
status_of() {
	rm -f "$work/answer"
	curl --silent --max-time 30 --output "$work/answer" --write-out '%{http_code}' \
		--header 'Authorization: Bearer nobody' "https://$host$1" || true
}

# Waits for ten minutes until the app runs, which /scim/health says, and until it can read tables and vault: without a right
# token every answer is 401, but a token is only found wrong where both can be read.
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
		fail "https://$host does not run after ten minutes: /scim/health is answered $health" 'look at the Log stream of the function app, and run this again'
	fail "https://$host runs, but cannot use tables or vault after ten minutes: the last status was $status" 'a new role may take longer: run this again; then look at the failures in Application Insights'
}

require_azure
require_bicep
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
patiently az functionapp deployment source config-zip --resource-group "$group" --name "$app" --src "$root/dist/rollcall.zip" \
	--build-remote false --timeout 600 --output none
printf 'Waiting for https://%s\n' "$host"
await_app

cat <<END

Rollcall works at https://$host
Now add a tenant, which prints the Tenant URL and the Secret Token that Entra asks for:

    npm run rollcall -- tenant add NAME --resource-group $group
END
