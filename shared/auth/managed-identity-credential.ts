import { ManagedIdentityCredential, type ManagedIdentityCredentialClientIdOptions } from '@azure/identity'

/**
 * The one credential of @azure/identity that the app uses. This file is loaded on its own when it is first needed. The
 * bundler then leaves out the package's other credentials, some of which start programs.
 */
export const managedIdentityCredential = (
	options: ManagedIdentityCredentialClientIdOptions,
): ManagedIdentityCredential => new ManagedIdentityCredential(options)
