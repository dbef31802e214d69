#!/usr/bin/env bash
# Removes Rollcall from Azure: the resource group with all its resources, tenants and tokens. Asks for confirmation.
#
#   infra/destroy.sh --resource-group GROUP
set -euo pipefail
# shellcheck source=azure.sh
source "$(dirname "${BASH_SOURCE[0]}")/azure.sh"

group=''
while [ $# -gt 0 ]; do
	case $1 in
		--resource-group) group=$(value "$@") && shift ;;
		--help) manual && exit ;;
		*) misused "unknown option $1" ;;
	esac
	shift
done
[ -n "$group" ] || misused '--resource-group is needed'

require_azure
require_deployment
# Reads the vault from the group: a deployment that failed may have created a vault, but has no outputs.
vaults=$(az resource list --resource-group "$group" --resource-type Microsoft.KeyVault/vaults --query '[].[name, location]' --output tsv)
read -r vault location <<<"$vaults"
protected=none
if [ -n "$vault" ]; then
	protected=$(az keyvault show --resource-group "$group" --name "$vault" --query properties.enablePurgeProtection --output tsv)
fi

az resource list --resource-group "$group" --query '[].{type:type, name:name}' --output table
printf '\nAll of these resources are deleted. Tables cannot be restored. Type the name of the resource group to continue: '
read -r answer || true
[ "$answer" = "$group" ] || fail 'nothing was removed'

az group delete --name "$group" --yes --output none
# A deleted vault keeps its name for 90 days. Without a purge, a deployment to this group would fail.
if [ "$protected" = none ]; then
	printf 'Removed.\n'
elif [ "$protected" = true ]; then
	printf 'Removed. The vault %s is protected: it can be recovered for 90 days, and its name stays taken until then.\n' "$vault"
	printf 'To deploy to a group of this name before that, set another name in the parameter file.\n'
else
	az keyvault purge --name "$vault" --location "$location" --output none ||
		fail "all resources are removed, but the vault $vault keeps its name for 90 days" "run: az keyvault purge --name $vault --location $location"
	printf 'Removed.\n'
fi
