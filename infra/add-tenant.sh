#!/usr/bin/env bash
# Adds a tenant and prints its Tenant URL and Secret Token.
#
#   infra/add-tenant.sh --resource-group GROUP --tenant NAME [--new-token]
#
#   --resource-group GROUP   where infra/deploy.sh deployed to
#   --tenant NAME            2 characters or more: lower-case letters and digits, single hyphens between them
#   --new-token              add a token to a tenant that has one; the old one works until it is disabled
#
# Run again, it adds what is missing and changes nothing else. A token is printed once, and kept in Key Vault alone.
set -euo pipefail
# shellcheck source=azure.sh
source "$(dirname "${BASH_SOURCE[0]}")/azure.sh"

group='' tenant='' new_token=no
while [ $# -gt 0 ]; do
	case $1 in
		--resource-group) group=$(value "$@") && shift ;;
		--tenant) tenant=$(value "$@") && shift ;;
		--new-token) new_token=yes ;;
		--help) manual && exit ;;
		*) misused "there is no option $1" ;;
	esac
	shift
done
[ -n "$group" ] || misused '--resource-group is needed'

# The same names as shared/storage/tenants.ts takes.
LC_ALL=C
reserved=' admin api health oauth2 runtime scim v1 v2 users groups me bulk schemas resourcetypes serviceproviderconfig '
[[ $tenant =~ ^[a-z0-9](-?[a-z0-9]){1,38}$ ]] ||
	misused "a tenant cannot be named '$tenant': lower-case letters and digits, single hyphens between them"
[[ $reserved != *" $tenant "* ]] || misused "a tenant cannot be named '$tenant': the word is reserved"

umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

random() {
	openssl rand -base64 32 | tr '+/' '-_' | tr -d '=\n'
}

# The tenants are spread over partitions by the hash of their names.
partition=$(printf %s "$tenant" | openssl dgst -sha256 -r | cut -c 1-2)

find_row() {
	patiently az storage entity query --account-name "$account" --table-name tenants --auth-mode login \
		--filter "PartitionKey eq '$partition' and RowKey eq '$tenant'" --query 'items[0].table' --output tsv
}

add_row() {
	local table
	table=t$(openssl rand -hex 16)
	# Other users of this machine see command lines, so what is secret goes through a file.
	random >"$work/cursor-key"
	az storage table create --account-name "$account" --name "$table" --auth-mode login --output none
	az storage entity insert --account-name "$account" --table-name tenants --auth-mode login --if-exists fail --output none \
		--entity "PartitionKey=$partition" "RowKey=$tenant" mode=store "table=$table" 'settings={}' \
		"cursorKey=@$work/cursor-key" "created=$(date -u +%Y-%m-%dT%H:%M:%S.000Z)"
}

find_token() {
	patiently az keyvault secret list --vault-name "$vault" --query "[?name=='scim-token-$tenant'].name" --output tsv
}

add_token() {
	random >"$work/token"
	az keyvault secret set --vault-name "$vault" --name "scim-token-$tenant" --file "$work/token" --encoding utf-8 --output none
}

require openssl
require_azure
account=$(output_of storageAccountName)
vault=$(output_of keyVaultName)
host=$(output_of hostName)

row=$(find_row)
token=$(find_token)
[ -n "$row" ] || add_row
printf 'Tenant URL    https://%s/scim/%s\n' "$host" "$tenant"
if [ -n "$token" ] && [ "$new_token" = no ]; then
	printf 'The tenant has a token already. Another one: add --new-token.\n'
else
	add_token
	printf 'Secret Token  %s\n' "$(cat "$work/token")"
fi
