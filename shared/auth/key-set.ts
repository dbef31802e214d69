import type { CryptoKey } from 'jose'
import * as z from 'zod'
import type { Cloud } from './client.ts'
import { jose } from './jose.ts'

/** The keys with which Entra signs tokens, by their ids. */
export type KeySet = ReadonlyMap<string, CryptoKey>

/** Whose keys: the address is made of these two alone, and never of what a token says. */
export type KeySetName = { readonly cloud: Cloud; readonly tenant: string }

/** https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-signature */
const addressOf = ({ cloud, tenant }: KeySetName): string => `https://${cloud}/${tenant}/discovery/v2.0/keys`

const timeout = 5000
const maxBytes = 256 * 1024
const minModulusBits = 2048

const keySet = z.object({ keys: z.array(z.unknown()) })

const rsaKey = z.object({
	kty: z.literal('RSA'),
	kid: z.string().min(1),
	n: z.string().regex(/^[\w-]+$/),
	e: z.string().regex(/^[\w-]+$/),
	use: z.literal('sig').optional(),
	alg: z.literal('RS256').optional(),
	/** Entra says for which issuer a key is, with `{tenantid}` for any tenant. */
	issuer: z.string().optional(),
})

/**
 * Reads the keys of an Entra tenant. It follows no redirect, waits five seconds, and reads 256 KiB at most. Keys that are not
 * RSA with 2,048 bits, or that are for another tenant, are left out.
 *
 * @throws Error if the keys cannot be read
 */
export async function readKeySet(name: KeySetName, get: typeof fetch = fetch): Promise<KeySet> {
	const response = await get(addressOf(name), { redirect: 'error', signal: AbortSignal.timeout(timeout) })
	if (response.status !== 200) throw new Error(`the keys of Entra were answered ${response.status}`)
	const { keys } = keySet.parse(JSON.parse(await textOf(response)))
	const found = await Promise.all(keys.map((key) => keyOf(key, name)))
	return new Map(found.flat())
}

async function textOf({ body }: Response): Promise<string> {
	const chunks: Uint8Array[] = []
	let size = 0
	for await (const chunk of body ?? []) {
		size += chunk.length
		if (size > maxBytes) throw new Error(`the keys of Entra take more than ${maxBytes} bytes`)
		chunks.push(chunk)
	}
	return Buffer.concat(chunks).toString('utf8')
}

async function keyOf(value: unknown, { tenant }: KeySetName): Promise<(readonly [string, CryptoKey])[]> {
	const { data } = rsaKey.safeParse(value)
	if (data === undefined || modulusBits(data.n) < minModulusBits || !isFor(tenant, data.issuer)) return []
	const { importJWK } = await jose()
	const key = await importJWK({ kty: data.kty, n: data.n, e: data.e }, 'RS256')
	return key instanceof Uint8Array ? [] : [[data.kid, key]]
}

function modulusBits(n: string): number {
	const hex = Buffer.from(n, 'base64url').toString('hex').replace(/^0+/, '')
	return hex === '' ? 0 : 4 * hex.length - Math.clz32(Number.parseInt(hex[0] ?? '0', 16)) + 28
}

const isFor = (tenant: string, issuer: string | undefined): boolean =>
	issuer === undefined || issuer.includes('{tenantid}') || issuer.includes(tenant)
