// Loaded with --import: answers requests for Entra's public keys from ENTRA_KEYS, so that the process needs no network.
const send = globalThis.fetch
globalThis.fetch = (address, options) =>
	String(address).startsWith('https://login.microsoftonline.com/')
		? Promise.resolve(new Response(process.env.ENTRA_KEYS, { headers: { 'content-type': 'application/json' } }))
		: send(address, options)
