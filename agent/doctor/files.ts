import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { statSync } from 'node:fs'
import { shellWord } from '../../shared/cli/shell-word.ts'
import { codeOf, UsageError } from '../../shared/cli/usage-error.ts'
import { type Config, pinFiles, readText } from '../config.ts'
import { readSecret, readToken } from '../secret-file.ts'
import { day, daysUntil } from './certificate.ts'
import { counted, type DoctorFinding, fail, hintOf, pass, plainly, warn } from './check.ts'
import { type LoadedConfig, saving } from './remedy.ts'

/** Findings for the files that the settings name, and what the agent can do with these files. */
export type FileChecks = {
	readonly findings: readonly DoctorFinding[]
	/** The files for a token of Azure Relay are usable. */
	readonly canListen: boolean
	/** The authorities for Azure are readable. */
	readonly canTrust: boolean
	/** The files for TLS with the SCIM server are usable. */
	readonly canConnect: boolean
	/** The token for the SCIM server is usable. */
	readonly canAuthorize: boolean
}

type NamedFile = {
	readonly setting: string
	readonly file: string
	readonly kind: 'token' | 'password' | 'key' | 'certificates'
	readonly use: 'listen' | 'trust' | 'connect' | 'authorize'
	/** For a key, the certificate that it belongs to. For a certificate of the agent, that certificate. */
	readonly certificateFile?: string
}

/** The files that the settings name, and their purpose. */
function filesNamedIn({ relay, credentials, origin }: Config): readonly NamedFile[] {
	const { tls, clientCertificate, authorization } = origin
	const files: NamedFile[] = []
	const add = (
		use: NamedFile['use'],
		kind: NamedFile['kind'],
		setting: string,
		file: string,
		certificateFile?: string,
	) => files.push({ use, kind, setting, file, ...(certificateFile !== undefined && { certificateFile }) })
	const addPair = (use: NamedFile['use'], setting: string, files: { certificateFile: string; keyFile: string }) => {
		add(use, 'certificates', `${setting}.certificateFile`, files.certificateFile, files.certificateFile)
		add(use, 'key', `${setting}.keyFile`, files.keyFile, files.certificateFile)
	}
	if (relay.proxyPasswordFile !== undefined)
		add('trust', 'password', 'relay.proxyPasswordFile', relay.proxyPasswordFile)
	if (relay.caFile !== undefined) add('trust', 'certificates', 'relay.caFile', relay.caFile)
	if (credentials.type === 'sas') add('listen', 'token', 'credentials.keyFile', credentials.keyFile)
	if (credentials.type === 'enrolled') add('listen', 'key', 'credentials.keyFile', credentials.keyFile)
	if (credentials.type === 'certificate') addPair('listen', 'credentials', credentials)
	if (tls.mode === 'ca') add('connect', 'certificates', 'origin.tls.caFile', tls.caFile)
	if (tls.mode === 'pin')
		for (const [index, file] of pinFiles(tls).entries())
			add(
				'connect',
				'certificates',
				tls.pins === undefined ? 'origin.tls.certificateFile' : `origin.tls.pins.${index}`,
				file,
			)
	if (clientCertificate !== undefined) addPair('connect', 'origin.clientCertificate', clientCertificate)
	if (authorization.type === 'bearer')
		add('authorize', 'token', 'origin.authorization.tokenFile', authorization.tokenFile)
	return files
}

/** Checks that the files exist and are valid, and who can read and change them. */
export function checkFiles(loaded: LoadedConfig): FileChecks {
	const checks = filesNamedIn(loaded.config).map((entry) => ({ use: entry.use, finding: findingFor(entry, loaded) }))
	const isUsable = (use: NamedFile['use']) =>
		!checks.some((check) => check.use === use && check.finding.verdict === 'FAIL')
	return {
		findings: [...settingsFile(loaded), ...checks.map(({ finding }) => finding)],
		canListen: isUsable('listen'),
		canTrust: isUsable('trust'),
		canConnect: isUsable('connect'),
		canAuthorize: isUsable('authorize'),
	}
}

function findingFor(entry: NamedFile, loaded: LoadedConfig): DoctorFinding {
	const { seen, ...finding } = checkFile(entry, loaded)
	return { ...finding, seen: `${entry.setting}: ${seen}` }
}

function checkFile(entry: NamedFile, loaded: LoadedConfig): DoctorFinding {
	try {
		switch (entry.kind) {
			case 'token':
				return token(entry.file)
			case 'password':
				readSecret(entry.file)
				return pass('C2', `${entry.file} is readable${byOwnerAlone}`)
			case 'key':
				return key(entry)
			case 'certificates':
				return certificates(entry)
		}
	} catch (error) {
		if (!(error instanceof UsageError)) throw error
		return fail('C2', plainly(error), remedyFor(error, entry.file, loaded))
	}
}

function remedyFor(error: UsageError, path: string, { config, file }: LoadedConfig): string {
	const { tls } = config.origin
	// A pin needs a file that does not exist at first.
	const isMissingPin = tls.mode === 'pin' && pinFiles(tls).includes(path) && codeOf(error.cause) === 'ENOENT'
	return isMissingPin
		? `${saving(config, file, path)}, then compare its SHA-256 with that of the server.`
		: hintOf(error)
}

const byOwnerAlone = process.platform === 'win32' ? '' : ', only by its owner'

function token(file: string): DoctorFinding {
	readToken(file)
	return pass('C2', `${file} is readable${byOwnerAlone}`)
}

function key({ file, certificateFile }: NamedFile): DoctorFinding {
	const parsed = parse(file, readSecret(file))
	if (certificateFile !== undefined && !isKeyOf(parsed, certificateFile))
		throw new UsageError(`${file} is not the key of ${certificateFile}`, {
			hint: 'Name a key and a certificate that belong together.',
		})
	return pass('C2', `${file} is a private key, readable${byOwnerAlone}`)
}

function parse(file: string, pem: string): KeyObject {
	try {
		return createPrivateKey(pem)
	} catch (error) {
		throw new UsageError(`${file} is not a usable private key: ${plainly(error)}`, {
			hint: 'The key must be PEM without a passphrase: openssl pkey -in FILE -out NEW-FILE.',
			cause: error,
		})
	}
}

/** True if the certificate is unreadable, because that has its own finding. */
function isKeyOf(key: KeyObject, certificateFile: string): boolean {
	try {
		return certificatesIn(certificateFile)[0]?.checkPrivateKey(key) ?? false
	} catch (error) {
		if (error instanceof UsageError) return true
		throw error
	}
}

function certificates({ file, certificateFile }: NamedFile): DoctorFinding {
	const all = certificatesIn(file)
	const [first] = all
	const seen = `${file} has ${counted(all.length, 'certificate')}`
	if (isChangeable(file)) return warn('C2', `${seen}, and other users can change it`, `chmod go-w ${shellWord(file)}`)
	if (certificateFile === undefined || first === undefined) return pass('C2', seen)
	const ends = new Date(first.validTo)
	const until = `${seen}, until ${day(ends)}`
	const days = daysUntil(ends)
	if (days < 0) return fail('C2', until, "The agent's certificate has expired. Renew it.")
	return days > 30
		? pass('C2', until)
		: warn('C2', until, `The agent's certificate expires in ${counted(days, 'day')}. Renew it.`)
}

function certificatesIn(file: string): readonly X509Certificate[] {
	const text = readText(file, 'The file must exist, and the user of the agent must be able to read it.')
	const blocks = text.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs)
	const hint = 'The file must be PEM. To convert a Windows export: openssl x509 -inform der -in FILE -out NEW-FILE.'
	if (blocks === null) throw new UsageError(`${file} contains no PEM certificate`, { hint })
	try {
		return blocks.map((block) => new X509Certificate(block))
	} catch (error) {
		throw new UsageError(`${file} contains an unreadable certificate: ${plainly(error)}`, { hint, cause: error })
	}
}

const bits = (file: string): number => (process.platform === 'win32' ? 0 : statSync(file).mode)

const isChangeable = (file: string): boolean => (bits(file) & 0o022) !== 0

/** A user who can change the settings can send the SCIM server's token to another server. */
function settingsFile({ config, file }: LoadedConfig): readonly DoctorFinding[] {
	if (isChangeable(file)) return [warn('C2', `other users can change ${file}`, `chmod go-w ${shellWord(file)}`)]
	const hasPassword = /\/\/[^/]*:[^/]*@/.test(config.relay.proxy ?? '')
	if (hasPassword && (bits(file) & 0o044) !== 0)
		return [
			warn('C2', `other users can read ${file}, which contains the proxy's password`, `chmod go-r ${shellWord(file)}`),
		]
	return []
}
