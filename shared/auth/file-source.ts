import { createHash, randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { allProblems, wordingWithoutValues } from '../scim/wording.ts'
import { isInDate, isStoredDigest, newest, type TenantTokenSource, type Token } from './tokens.ts'

const time = z.iso.datetime({ offset: true })

const listed = z.strictObject({
	value: z.string().min(1),
	created: time,
	enabled: z.boolean().optional(),
	notBefore: time.optional(),
	expires: time.optional(),
	label: z.string().optional(),
	/** Missing for a token that may do everything. An older version refuses a file that has the property. */
	scope: z.literal('scim.read').optional(),
})

const tokensFile = z.strictObject({ tokens: z.record(z.string(), z.array(listed)) })

/** The file with the keys that sign access tokens, beside the file of the tokens. It has the same form. */
export const signingKeysFile = (tokensFile: string): string => join(dirname(tokensFile), 'signing-keys.json')

/** A token in the tokens file. Its times are RFC 3339. */
export type ListedToken = z.infer<typeof listed>

/**
 * Reads tokens from a file, for use on one's own machine:
 * `{"tokens": {"demo": [{"value": "…", "created": "2026-01-01T00:00:00Z"}]}}`.
 * `enabled`, `notBefore`, `expires`, `label` and `"scope": "scim.read"` are optional. Lookups are rare, so each one reads the file again.
 *
 * @throws Error inside Azure, because there the tokens belong in a vault
 */
export function fileSource(path: string, environment: NodeJS.ProcessEnv = process.env): TenantTokenSource {
	// On every plan, Azure sets at least one of the two variables. The local tools set neither.
	if (environment.WEBSITE_SITE_NAME !== undefined || environment.WEBSITE_INSTANCE_ID !== undefined) {
		throw new Error('tokens are not read from a file inside Azure: set ROLLCALL_KEY_VAULT_URL instead')
	}
	return async (tenant, now) => newest((await readTokens(path)).get(tenant)?.flatMap(tokenOf) ?? [], now)
}

/**
 * The tokens that a tenant can use for everything at the time `now` and that are stored themselves, not as digests. Newest
 * first; none if there is no file.
 */
export async function tokensIn(path: string, tenant: string, now: number): Promise<readonly string[]> {
	const tokens = (await readOrEmpty(path)).get(tenant)?.flatMap(tokenOf) ?? []
	return newest(tokens, now)
		.filter((token) => token.scope === 'scim' && isInDate(token, now) && !isStoredDigest(token.value))
		.map(({ value }) => value)
}

/** All tokens of a tenant in a file, including disabled and expired ones; none if there is no file. */
export const listTokens = async (path: string, tenant: string): Promise<readonly ListedToken[]> =>
	(await readOrEmpty(path)).get(tenant) ?? []

/** Adds a token to a tenant. Creates the file if it is missing; only the owner of the file can read it. */
export const addToken = (path: string, tenant: string, token: ListedToken): Promise<void> =>
	changeTokens(path, tenant, (tokens) => [...tokens, token])

/** The last change of each file that this process has begun. */
const lastChanges = new Map<string, Promise<void>>()

/**
 * Changes the tokens of a tenant. A tenant without tokens is removed from the file. Changes of one process follow one
 * another, so that none is lost.
 */
export function changeTokens(path: string, tenant: string, change: ChangeOfTokens): Promise<void> {
	const changed = (lastChanges.get(path) ?? Promise.resolve()).then(() => rewrite(path, tenant, change))
	// The next change does not depend on the outcome of this one.
	lastChanges.set(
		path,
		changed.catch(() => {}),
	)
	return changed
}

type ChangeOfTokens = (tokens: readonly ListedToken[]) => readonly ListedToken[]

async function rewrite(path: string, tenant: string, change: ChangeOfTokens): Promise<void> {
	const all = await readOrEmpty(path)
	const tokens = change(all.get(tenant) ?? [])
	all.delete(tenant)
	if (tokens.length > 0) all.set(tenant, tokens)
	const text = JSON.stringify({ tokens: Object.fromEntries(all) }, null, '\t')
	// A process that reads at the same time sees either the old file or the new one.
	const draft = `${path}.${randomBytes(4).toString('hex')}`
	await writeFile(draft, `${text}\n`, { mode: 0o600 })
	await rename(draft, path)
}

/** The id of a token in the file: the beginning of the SHA-256 of what is stored. */
export const listedTokenId = ({ value }: ListedToken): string =>
	createHash('sha256').update(value).digest('hex').slice(0, 12)

const tokenOf = (token: ListedToken): readonly Token[] => {
	const { value, created, enabled = true, notBefore, expires, label, scope = 'scim' } = token
	const dates = {
		created: Date.parse(created),
		...(notBefore !== undefined && { notBefore: Date.parse(notBefore) }),
		...(expires !== undefined && { expires: Date.parse(expires) }),
	}
	return enabled ? [{ ...dates, id: listedTokenId(token), ...(label !== undefined && { label }), scope, value }] : []
}

type TokensFile = Map<string, readonly ListedToken[]>

async function readOrEmpty(path: string): Promise<TokensFile> {
	try {
		return await readTokens(path)
	} catch (error) {
		if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map()
		throw error
	}
}

/** Uses a map, because a tenant may have a name such as "constructor", which every object has. */
async function readTokens(path: string): Promise<TokensFile> {
	const parsed = tokensFile.safeParse(parseJson(await readFile(path, 'utf8'), path), { error: wordingWithoutValues })
	if (!parsed.success) throw new Error(`${path}: ${allProblems(parsed.error, 'the file')}`, { cause: parsed.error })
	return new Map(Object.entries(parsed.data.tokens))
}

function parseJson(text: string, path: string): unknown {
	try {
		return JSON.parse(text)
	} catch (error) {
		if (!(error instanceof SyntaxError)) throw error
		// biome-ignore lint/style/useErrorCause: the cause quotes the text, which has tokens in it, and errors are logged
		throw new Error(`${path} is not JSON`)
	}
}
