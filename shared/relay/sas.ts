import { createHmac } from 'node:crypto'

/** A token of Azure Relay and when it ends, in milliseconds since 1970; what an Azure TokenCredential returns. */
export type RelayToken = { readonly token: string; readonly expiresOnTimestamp: number }

type SharedAccessRule = {
	/** The address that the token opens, `http://contoso.servicebus.windows.net/demo`. */
	readonly uri: string
	readonly keyName: string
	readonly key: string
	/** Milliseconds since 1970; the token carries whole seconds. */
	readonly expires: number
}

/** Signs a shared access signature. The key is used as the text it is, not decoded from base64. */
export function sasToken({ uri, keyName, key, expires }: SharedAccessRule): RelayToken {
	const se = Math.floor(expires / 1000)
	const sr = encodeURIComponent(uri)
	const signature = createHmac('sha256', key).update(`${sr}\n${se}`).digest('base64')
	const token = `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(signature)}&se=${se}&skn=${encodeURIComponent(keyName)}`
	return { token, expiresOnTimestamp: se * 1000 }
}
