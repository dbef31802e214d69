/** The steps in the portal that `rollcall connect entra` takes, with the values filled in. */
export const portalSteps = ({ name, url, isOAuth, credentialCommand, groups }: PortalValues): string =>
	[
		'The steps in the portal:',
		'1. https://entra.microsoft.com: Enterprise applications, New application, Create your own application.',
		`2. The name: ${name}. Choose "Integrate any other application you don't find in the gallery", and create it.`,
		'3. Users and groups: assign the users and groups to provision.',
		'4. Provisioning, New configuration.',
		`5. Tenant URL: ${url}`,
		`6. ${isOAuth ? oauthFields : 'Secret Token: the one'} that this command prints: ${credentialCommand}`,
		'7. Test Connection. If it succeeds, create the configuration.',
		'8. Attribute mapping, users: map externalId from objectId instead of mailNickname.',
		...(groups ? [] : ['9. Attribute mapping, groups: switch it off.']),
		`${groups ? 9 : 10}. Provision on demand with one user. Then Overview, Start provisioning.`,
	].join('\n')

const oauthFields = 'OAuth client credentials: the token endpoint, client id and client secret'

type PortalValues = {
	readonly name: string
	readonly url: string
	/** Whether Entra gets an OAuth client, and not a token. */
	readonly isOAuth: boolean
	/** The command line that adds a token or an OAuth client, and prints it. */
	readonly credentialCommand: string
	/** Whether groups are to be provisioned. */
	readonly groups: boolean
}
