export type HostSummary = {
	/** The address of the host, such as `http://127.0.0.1:7071`. */
	readonly url: string
	readonly tenants: readonly { readonly name: string; readonly token: string }[]
	/** The folder with the data; undefined if the data is in memory. */
	readonly data: string | undefined
	/** The link of the console, which works once; undefined if there is no console. */
	readonly consoleLink?: string | undefined
}

/** The text that is printed when the host is ready. */
export function howTo(host: HostSummary, platform = process.platform): string {
	const { tenants, data, consoleLink } = host
	const ways = platform === 'win32' ? ['Try it in PowerShell:', ...inPowerShell(host), '', 'Or in bash:'] : ['Try it:']
	return [
		...tenants.flatMap(({ name, token }) => [`Tenant URL    ${host.url}/scim/${name}`, `Secret Token  ${token}`, '']),
		...(consoleLink === undefined ? [] : [`Console       ${consoleLink}`, '']),
		...ways,
		...inBash(host),
		'',
		data === undefined ? 'The data is in memory only and is lost at the end.' : `The data is in ${data}.`,
		'Ctrl-C stops.',
	].join('\n')
}

/** The values of the first tenant, and the option that lets curl accept any certificate. */
const valuesOf = ({ url, tenants: [first] }: HostSummary) => ({
	tenantUrl: `${url}/scim/${first?.name}`,
	token: first?.token,
	insecure: url.startsWith('https:') ? '-k ' : '',
})

function inBash(host: HostSummary): readonly string[] {
	const { tenantUrl, token, insecure } = valuesOf(host)
	return [
		`  URL=${tenantUrl} TOKEN=${token}`,
		`  curl ${insecure}-H "Authorization: Bearer $TOKEN" "$URL/Users?count=10"`,
	]
}

/** `curl` is another command in Windows PowerShell, so the program is called by its file name. */
function inPowerShell(host: HostSummary): readonly string[] {
	const { tenantUrl, token, insecure } = valuesOf(host)
	return [
		`  $URL = '${tenantUrl}'; $TOKEN = '${token}'`,
		`  curl.exe ${insecure}-H "Authorization: Bearer $TOKEN" "$URL/Users?count=10"`,
	]
}
