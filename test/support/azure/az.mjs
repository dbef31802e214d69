// Stands in for az: `node az.mjs ARGUMENT...`. It implements what the command line and AzureCliCredential use.
// AZ_OUTPUTS has the outputs of the deployment in the group `rollcall`. AZ_TOKENS has access tokens by resource; without it
// no user is signed in. AZ_LOG is a file for commands on keys of Azure Relay; without it they fail.
// They wait for as long as the file AZ_HOLD exists.

import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

const args = process.argv.slice(2)
const valueAfter = (option) => args[args.indexOf(option) + 1]

function fail(message) {
	process.stderr.write(`ERROR: ${message}\n`)
	process.exit(1)
}

if (process.env.AZ_TOKENS === undefined) fail("Please run 'az login' to setup account.")
if (args.join(' ').startsWith('account get-access-token --output json --resource ')) {
	const accessToken = JSON.parse(process.env.AZ_TOKENS)[valueAfter('--resource')]
	if (accessToken === undefined) fail(`no token for ${valueAfter('--resource')}`)
	process.stdout.write(JSON.stringify({ accessToken, expires_on: Math.floor(Date.now() / 1000) + 3600 }))
} else if (args.join(' ') === 'account get-access-token --resource-type ms-graph --output json') {
	const accessToken = JSON.parse(process.env.AZ_TOKENS)['ms-graph']
	if (accessToken === undefined) fail('no token for ms-graph')
	process.stdout.write(JSON.stringify({ accessToken, expires_on: Math.floor(Date.now() / 1000) + 3600 }))
} else if (args.join(' ') === expectedShow()) {
	if (valueAfter('--resource-group') !== 'rollcall')
		fail(`(ResourceGroupNotFound) Resource group '${valueAfter('--resource-group')}' could not be found.`)
	process.stdout.write(process.env.AZ_OUTPUTS)
} else if (
	/^(relay hyco authorization-rule (create|keys (list|renew))|resource delete) /.test(args.join(' ')) &&
	process.env.AZ_LOG
) {
	appendFileSync(process.env.AZ_LOG, `${args.join(' ')}\n`)
	while (existsSync(process.env.AZ_HOLD ?? '')) await setTimeout(20)
	process.stdout.write(args.includes('primaryKey') ? 'a-key-of-azure-relay\n' : `${valueAfter('--name')}\n`)
} else fail(`'${args.join(' ')}' is misspelled or not recognized by the system.`)

function expectedShow() {
	const group = valueAfter('--resource-group')
	return `deployment group show --resource-group ${group} --name rollcall --query properties.outputs --output json`
}
