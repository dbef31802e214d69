export type HostSummary = {
	/** The address of the host, such as `http://127.0.0.1:7071`. */
	readonly url: string
	readonly tenants: readonly { readonly name: string; readonly token: string }[]
	/** The folder with the data; undefined if the data is in memory. */
	readonly data: string | undefined
}

/** The text that is printed when the host is ready. */
export function howTo({ url, tenants, data }: HostSummary): string {
	const [first] = tenants
	const isTls = url.startsWith('https:')
	return [
		...tenants.flatMap(({ name, token }) => [`Tenant URL    ${url}/scim/${name}`, `Secret Token  ${token}`, '']),
		'Try it:',
		`  URL=${url}/scim/${first?.name} TOKEN=${first?.token}`,
		`  curl ${isTls ? '-k ' : ''}-H "Authorization: Bearer $TOKEN" "$URL/Users?count=10"`,
		'',
		data === undefined ? 'The data is in memory only and is lost at the end.' : `The data is in ${data}.`,
		'Ctrl-C stops.',
	].join('\n')
}
