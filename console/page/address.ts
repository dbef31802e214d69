import { useEffect, useState } from 'preact/hooks'

/** The page in the address bar: the parts of the path behind `#/`, decoded, and what follows the question mark. */
export type Address = { readonly parts: readonly string[]; readonly query: URLSearchParams }

/** @example hrefOf(['tenants', 'acme', 'people'], { search: 'joy' }) // '#/tenants/acme/people?search=joy' */
export function hrefOf(parts: readonly string[], query: Readonly<Record<string, string>> = {}): string {
	const search = new URLSearchParams(query).toString()
	return `#/${parts.map(encodeURIComponent).join('/')}${search === '' ? '' : `?${search}`}`
}

export function useAddress(): Address {
	const [hash, setHash] = useState(location.hash)
	useEffect(() => {
		const read = (): void => setHash(location.hash)
		addEventListener('hashchange', read)
		return () => removeEventListener('hashchange', read)
	}, [])
	return addressIn(hash)
}

function addressIn(hash: string): Address {
	const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?')
	return { parts: path === '' ? [] : path.split('/').map(decoded), query: new URLSearchParams(search) }
}

function decoded(part: string): string {
	try {
		return decodeURIComponent(part)
	} catch {
		return part
	}
}
