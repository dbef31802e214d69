import { createHmac } from 'node:crypto'

/** A token for Azure Relay and its expiry in milliseconds since 1970, as an Azure TokenCredential returns it. */
export type RelayToken = {
	readonly token: string
	readonly expiresOnTimestamp: number
	/** When to ask for the next one, in milliseconds since 1970; after three quarters of its lifetime if left out. */
	readonly renewOnTimestamp?: number
}

type SharedAccessRule = {
	/** The resource that the token is for, such as `http://contoso.servicebus.windows.net/demo`. */
	readonly uri: string
	readonly keyName: string
	readonly key: string
	/** Expiry in milliseconds since 1970. The token contains whole seconds. */
	readonly expires: number
}

/** Makes a shared access signature. The key is used as text, without decoding base64. */
export function sasToken({ uri, keyName, key, expires }: SharedAccessRule): RelayToken {
	const se = Math.floor(expires / 1000)
	const sr = encodeURIComponent(uri)
	const signature = createHmac('sha256', key).update(`${sr}\n${se}`).digest('base64')
	const token = `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(signature)}&se=${se}&skn=${encodeURIComponent(keyName)}`
	return { token, expiresOnTimestamp: se * 1000 }
}
