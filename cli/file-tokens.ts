import { access, constants } from 'node:fs/promises'
import { dirname } from 'node:path'
import { changeTokens, type ListedToken, listedTokenId, listTokens } from '../shared/auth/file-source.ts'
import { isStoredDigest } from '../shared/auth/tokens.ts'
import type { TokenStore, TokenVersion } from './token-store.ts'

/** The tokens in the file of a data folder. The version of a token is its id there. */
export function fileTokens(path: string, now: () => number): TokenStore {
	return {
		async list(tenant) {
			const tokens = await listTokens(path, tenant)
			return tokens.map(versionOf).sort((a, b) => b.created - a.created)
		},
		async add(tenant, stored, { label, scope = 'scim', notBefore } = {}) {
			const token = {
				value: stored,
				created: new Date(now()).toISOString(),
				...(notBefore !== undefined && { notBefore: new Date(notBefore).toISOString() }),
				...(label !== undefined && { label }),
				...(scope !== 'scim' && { scope }),
			}
			await changeTokens(path, tenant, (tokens) => [...tokens, token])
			return versionOf(token)
		},
		change: (tenant, { version }, change) =>
			changeTokens(path, tenant, (tokens) =>
				tokens.map((token) => (listedTokenId(token) === version ? { ...token, ...listed(change) } : token)),
			),
		remove: (tenant) => changeTokens(path, tenant, () => []),
		async value(tenant, version) {
			const token = (await listTokens(path, tenant)).find((each) => listedTokenId(each) === version)
			return token === undefined || isStoredDigest(token.value) ? undefined : token.value
		},
		tryWriting: () => access(dirname(path), constants.W_OK),
	}
}

const versionOf = (token: ListedToken): TokenVersion => ({
	version: listedTokenId(token),
	created: Date.parse(token.created),
	enabled: token.enabled ?? true,
	scope: token.scope ?? 'scim',
	...(token.label !== undefined && { label: token.label }),
	isDigest: isStoredDigest(token.value),
	...(token.notBefore !== undefined && { notBefore: Date.parse(token.notBefore) }),
	...(token.expires !== undefined && { expires: Date.parse(token.expires) }),
})

const listed = (change: Parameters<TokenStore['change']>[2]): Partial<ListedToken> =>
	'expires' in change ? { expires: new Date(change.expires).toISOString() } : change
