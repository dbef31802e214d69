import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Certificate = { readonly cert: string; readonly key: string }

export type Authority = Certificate & {
	/** Issues a certificate for names such as `DNS:localhost` and `IP:127.0.0.1`. */
	issue(names: readonly string[], days?: number): Certificate
	/** An authority below this one. */
	below(name: string, days?: number): Authority
}

const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** Runs openssl commands in a temporary folder with these files. */
function openssl(files: Readonly<Record<string, string>>, commands: readonly (readonly string[])[]): Certificate {
	const folder = mkdtempSync(join(tmpdir(), 'rollcall-certificate-'))
	try {
		for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
		for (const command of commands) execFileSync('openssl', command, { cwd: folder, stdio: 'pipe' })
		return { cert: readFileSync(join(folder, 'cert.pem'), 'utf8'), key: readFileSync(join(folder, 'key.pem'), 'utf8') }
	} finally {
		rmSync(folder, { recursive: true })
	}
}

/** Arguments of openssl for a self-signed certificate. */
const selfSignedArguments = (commonName: string, extensions: readonly string[] = []): readonly string[] => [
	'req',
	'-x509',
	...algorithm,
	'-keyout',
	'key.pem',
	'-out',
	'cert.pem',
	'-days',
	'2',
	'-subj',
	`/CN=${commonName}`,
	...extensions.flatMap((extension) => ['-addext', extension]),
]

/** A self-signed certificate. */
export const selfSigned = (names: readonly string[] = [], commonName = 'localhost'): Certificate =>
	openssl({}, [selfSignedArguments(commonName, names.length > 0 ? [alternatives(names)] : [])])

/** A certificate authority for a test. */
export function authority(name = 'Lab'): Authority {
	return authorityOf(openssl({}, [selfSignedArguments(name)]))
}

const authorityOf = (pair: Certificate): Authority => ({
	...pair,
	issue: (names, days = 2) => issue(pair, { days, extension: alternatives(names) }),
	below: (name, days = 2) => authorityOf(issue(pair, { name, days, extension: 'basicConstraints=critical,CA:true' })),
})

const alternatives = (names: readonly string[]) => (names.length === 0 ? '' : `subjectAltName=${names.join(',')}`)

type IssueOptions = { readonly name?: string; readonly days: number; readonly extension: string }

const issue = (issuer: Certificate, { name = 'leaf', days, extension }: IssueOptions): Certificate =>
	openssl({ 'ca.pem': issuer.cert, 'ca.key': issuer.key, 'extensions.cnf': extension }, [
		['req', '-new', ...algorithm, '-keyout', 'key.pem', '-out', 'request.pem', '-subj', `/CN=${name}`],
		[
			'x509',
			'-req',
			'-in',
			'request.pem',
			'-CA',
			'ca.pem',
			'-CAkey',
			'ca.key',
			'-CAcreateserial',
			'-days',
			String(days),
			'-extfile',
			'extensions.cnf',
			'-out',
			'cert.pem',
		],
	])

/** A self-signed certificate for localhost that is valid from the year 2040 on. */
export const notYetValid = (): Certificate =>
	openssl(
		{
			'index.txt': '',
			'names.cnf': 'subjectAltName=DNS:localhost',
			'ca.cnf':
				'[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\nrand_serial=yes\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n',
		},
		[
			['req', '-new', ...algorithm, '-keyout', 'key.pem', '-out', 'request.pem', '-subj', '/CN=localhost'],
			[
				'ca',
				'-batch',
				'-selfsign',
				'-config',
				'ca.cnf',
				'-keyfile',
				'key.pem',
				'-in',
				'request.pem',
				'-notext',
				'-startdate',
				'20400101000000Z',
				'-enddate',
				'20410101000000Z',
				'-extfile',
				'names.cnf',
				'-out',
				'cert.pem',
			],
		],
	)

/** A self-signed certificate with an extension such as `extendedKeyUsage=clientAuth`. */
export const withExtension = (extension: string): Certificate =>
	openssl({}, [selfSignedArguments('localhost', ['subjectAltName=DNS:localhost', extension])])
