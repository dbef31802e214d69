/** The steps in the portal of Entra: docs/entra.md. */
export const entraSteps = [
	'At entra.microsoft.com: Enterprise applications, New application, Create your own application.',
	'Enter a name, choose "Integrate any other application you don\'t find in the gallery", and create it.',
	'Users and groups: assign the users and groups to provision.',
	'Provisioning, New configuration: paste the Tenant URL and the Secret Token.',
	'Test Connection. If it succeeds, create the configuration.',
	'Attribute mapping, users: map externalId from objectId instead of mailNickname.',
	'Provision on demand with one user, and look at the user here. Then Overview, Start provisioning.',
]

/** The steps in the console of Okta, for an app that was made with the wizard: docs/okta.md. */
export const oktaSteps = [
	'Applications, Create App Integration: choose SAML 2.0 or SWA, and finish the wizard.',
	'General, App Settings, Edit, Provisioning: choose SCIM and save.',
	'Provisioning, Integration, Edit: paste the Tenant URL as SCIM connector base URL. The unique identifier field is userName.',
	'Choose Push New Users, Push Profile Updates and Push Groups.',
	'Authentication Mode: HTTP Header. Authorization: paste the Secret Token alone, without Bearer.',
	'Test Connector Configuration, then save.',
	'To App, Edit: enable Create Users, Update User Attributes and Deactivate Users.',
	'Assign one person, and look at the person here. Then assign the others, and push groups.',
]
