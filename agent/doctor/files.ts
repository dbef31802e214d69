import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { statSync } from 'node:fs'
import { codeOf, UsageError } from '../../shared/cli/usage-error.ts'
import { type Config, readText } from '../config.ts'
import { readSecret, readToken } from '../secret-file.ts'
import { day, daysUntil } from './certificate.ts'
import { counted, type DoctorFinding, fail, hintOf, pass, plainly, warn } from './check.ts'
import { type LoadedConfig, saving } from './remedy.ts'

/** What the files that the settings name are good for. */
export type FileChecks = {
	readonly findings: readonly DoctorFinding[]
	/** Those for a token of the service. */
	readonly canListen: boolean
	/** The authorities that vouch for the service. */
	readonly canTrust: boolean
	/** Those for TLS with the SCIM server. */
	readonly canConnect: boolean
	/** The SCIM server's token. */
	readonly canAuthorize: boolean
}

type NamedFile = {
	readonly setting: string
	readonly file: string
	readonly kind: 'token' | 'key' | 'certificates'
	readonly use: 'listen' | 'trust' | 'connect' | 'authorize'
	/** Of a key, the certificate that it belongs to; of a certificate, itself where it is the agent's own. */
	readonly own?: string
}

/** The files that the settings name, and what for. */
function namedIn({ relay, credentials, origin }: Config): readonly NamedFile[] {
	const { tls, clientCertificate, authorization } = origin
	const named: NamedFile[] = []
	const add = (use: NamedFile['use'], kind: NamedFile['kind'], setting: string, file: string, own?: string) =>
		named.push({ use, kind, setting, file, ...(own !== undefined && { own }) })
	const addPair = (use: NamedFile['use'], setting: string, files: { certificateFile: string; keyFile: string }) => {
		add(use, 'certificates', `${setting}.certificateFile`, files.certificateFile, files.certificateFile)
		add(use, 'key', `${setting}.keyFile`, files.keyFile, files.certificateFile)
	}
	if (relay.caFile !== undefined) add('trust', 'certificates', 'relay.caFile', relay.caFile)
	if (credentials.type === 'sas') add('listen', 'token', 'credentials.keyFile', credentials.keyFile)
	if (credentials.type === 'certificate') addPair('listen', 'credentials', credentials)
	if (tls.mode === 'ca') add('connect', 'certificates', 'origin.tls.caFile', tls.caFile)
	if (tls.mode === 'pin') add('connect', 'certificates', 'origin.tls.certificateFile', tls.certificateFile)
	if (clientCertificate !== undefined) addPair('connect', 'origin.clientCertificate', clientCertificate)
	if (authorization.type === 'bearer')
		add('authorize', 'token', 'origin.authorization.tokenFile', authorization.tokenFile)
	return named
}

/** Are the files there and what they should be, and who may read and change them? */
export function checkFiles(loaded: LoadedConfig): FileChecks {
	const judged = namedIn(loaded.config).map((named) => ({ use: named.use, finding: examine(named, loaded) }))
	const isUsable = (use: NamedFile['use']) => !judged.some((one) => one.use === use && one.finding.verdict === 'FAIL')
	return {
		findings: [...settingsFile(loaded), ...judged.map(({ finding }) => finding)],
		canListen: isUsable('listen'),
		canTrust: isUsable('trust'),
		canConnect: isUsable('connect'),
		canAuthorize: isUsable('authorize'),
	}
}

function examine(named: NamedFile, loaded: LoadedConfig): DoctorFinding {
	const { seen, ...finding } = judge(named, loaded)
	return { ...finding, seen: `${named.setting}: ${seen}` }
}

function judge(named: NamedFile, loaded: LoadedConfig): DoctorFinding {
	try {
		switch (named.kind) {
			case 'token':
				return token(named.file)
			case 'key':
				return key(named)
			case 'certificates':
				return certificates(named)
		}
	} catch (error) {
		if (!(error instanceof UsageError)) throw error
		return fail('C2', plainly(error), remedyFor(error, named.file, loaded))
	}
}

function remedyFor(error: UsageError, named: string, { config, file }: LoadedConfig): string {
	const { tls } = config.origin
	// Whoever pins has to make the file first.
	const isToMake = tls.mode === 'pin' && tls.certificateFile === named && codeOf(error.cause) === 'ENOENT'
	return isToMake ? `${saving(file, named)}, and compare its SHA-256 with that of the server.` : hintOf(error)
}

const byOwnerAlone = process.platform === 'win32' ? '' : ', by its owner alone'

function token(file: string): DoctorFinding {
	readToken(file)
	return pass('C2', `${file} is readable${byOwnerAlone}`)
}

function key({ file, own }: NamedFile): DoctorFinding {
	const parsed = parse(file, readSecret(file))
	if (own !== undefined && !isKeyOf(parsed, own))
		throw new UsageError(`${file} is not the key of ${own}`, {
			hint: 'Name the key and the certificate that belong together.',
		})
	return pass('C2', `${file} is a private key, readable${byOwnerAlone}`)
}

function parse(file: string, pem: string): KeyObject {
	try {
		return createPrivateKey(pem)
	} catch (error) {
		throw new UsageError(`${file} is no private key that can be used: ${plainly(error)}`, {
			hint: 'It must be PEM without a passphrase: openssl pkey -in FILE -out NEW-FILE.',
			cause: error,
		})
	}
}

/** A certificate that cannot be read has a finding of its own. */
function isKeyOf(key: KeyObject, certificateFile: string): boolean {
	try {
		return certificatesIn(certificateFile)[0]?.checkPrivateKey(key) ?? false
	} catch (error) {
		if (error instanceof UsageError) return true
		throw error
	}
}

function certificates({ file, own }: NamedFile): DoctorFinding {
	const all = certificatesIn(file)
	const [first] = all
	const seen = `${file} has ${counted(all.length, 'certificate')}`
	if (isChangeable(file)) return warn('C2', `${seen}, and others may change it`, `chmod go-w ${file}`)
	if (own === undefined || first === undefined) return pass('C2', seen)
	const ends = new Date(first.validTo)
	const until = `${seen}, until ${day(ends)}`
	const days = daysUntil(ends)
	if (days < 0) return fail('C2', until, "The agent's certificate is out of date: have another one issued.")
	return days > 30
		? pass('C2', until)
		: warn('C2', until, `It ends in ${counted(days, 'day')}: have another one issued.`)
}

function certificatesIn(file: string): readonly X509Certificate[] {
	const text = readText(file, 'It must exist and be readable by the user that the agent runs as.')
	const blocks = text.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs)
	const hint = 'It must be PEM: openssl x509 -inform der -in FILE -out NEW-FILE makes it of what Windows exports.'
	if (blocks === null) throw new UsageError(`${file} has no certificate in PEM`, { hint })
	try {
		return blocks.map((block) => new X509Certificate(block))
	} catch (error) {
		throw new UsageError(`${file} has a certificate that cannot be read: ${plainly(error)}`, { hint, cause: error })
	}
}

const bits = (file: string): number => (process.platform === 'win32' ? 0 : statSync(file).mode)

const isChangeable = (file: string): boolean => (bits(file) & 0o022) !== 0

/** Who may change the settings may send the SCIM server's token elsewhere. */
function settingsFile({ config, file }: LoadedConfig): readonly DoctorFinding[] {
	if (isChangeable(file)) return [warn('C2', `${file} can be changed by others`, `chmod go-w ${file}`)]
	const hasPassword = /\/\/[^/]*@/.test(config.relay.proxy ?? '')
	if (hasPassword && (bits(file) & 0o044) !== 0)
		return [warn('C2', `${file} has the proxy's password in it and can be read by others`, `chmod go-r ${file}`)]
	return []
}
