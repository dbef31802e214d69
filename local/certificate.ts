import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { explained } from '../shared/cli/usage-error.ts'

/** A certificate and its private key, in PEM. */
export type Certificate = { readonly cert: Buffer; readonly key: Buffer }

/**
 * Reads a certificate and its key from two files.
 *
 * @throws UsageError if a file cannot be read, or if the certificate and the key do not belong together
 */
export async function readCertificate(files: { readonly cert: string; readonly key: string }): Promise<Certificate> {
	const certificate = { cert: await readPem(files.cert), key: await readPem(files.key) }
	const problem = `${files.cert} and ${files.key} are not a certificate and its key`
	await explained(problem, 'both must be PEM files, and the key without a passphrase', () =>
		createSecureContext(certificate),
	)
	return certificate
}

const readPem = (path: string): Promise<Buffer> =>
	explained(`${path} cannot be read`, 'give the path of a PEM file', () => readFile(path))
