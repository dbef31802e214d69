import { type Config, pinFiles } from '../config.ts'
import { certificateIn } from '../origin-tls.ts'
import { day, daysUntil, type ServerCertificate } from './certificate.ts'
import { counted, type DoctorFinding, pass, skip, warn } from './check.ts'

type Pin = { readonly file: string; readonly fingerprint: string; readonly validFrom: Date; readonly validTo: Date }

/**
 * Says which of two pins the SCIM server uses, and when the other one can go. No finding without two pins. The files have
 * been checked.
 */
export function pinFindings(
	{ origin: { tls } }: Config,
	certificate: ServerCertificate | undefined,
): readonly DoctorFinding[] {
	if (tls.mode !== 'pin') return []
	const [first, second] = pinFiles(tls).map(pinOf)
	if (first === undefined || second === undefined) return []
	if (first.fingerprint === second.fingerprint)
		return [warn('O8', `${first.file} and ${second.file} are the same certificate`, removing(second))]
	const used = [first, second].find(({ fingerprint }) => fingerprint === certificate?.fingerprint)
	if (used === undefined) return [skip('O8', 'the SCIM server uses neither of the pins, see O3')]
	return [rotation(used, used === first ? second : first)]
}

/** Which pin a certificate is, as a sentence. Undefined if the settings have no pins. */
export function pinSentence({ origin: { tls } }: Config, { fingerprint }: ServerCertificate): string | undefined {
	if (tls.mode !== 'pin') return undefined
	const pins = pinFiles(tls).map(pinOf)
	const found = pins.find((pin) => pin.fingerprint === fingerprint)
	if (found !== undefined) return `It is pinned by ${found.file}.`
	return pins.map((pin) => `It is not the pin in ${pin.file}, ${pin.fingerprint}.`).join('\n')
}

function pinOf(file: string): Pin {
	const { fingerprint256: fingerprint, validFrom, validTo } = certificateIn(file)
	return { file, fingerprint, validFrom: new Date(validFrom), validTo: new Date(validTo) }
}

function rotation(used: Pin, other: Pin): DoctorFinding {
	const seen = `the SCIM server uses ${used.file}, until ${day(used.validTo)}`
	if (isNewer(used, other)) return warn('O8', `${seen}; ${other.file} is the old certificate`, removing(other))
	const days = counted(daysUntil(used.validTo), 'day')
	return pass(
		'O8',
		`${seen} (${days}); keep both until it uses ${other.file}, SHA-256 ${other.fingerprint}, then remove ${used.file}`,
	)
}

/** A certificate that is valid later is the newer one. Two of one day differ in their ends. */
const isNewer = (one: Pin, other: Pin): boolean =>
	one.validFrom.getTime() === other.validFrom.getTime() ? one.validTo > other.validTo : one.validFrom > other.validFrom

const removing = ({ file }: Pin): string =>
	`Remove ${file} from "pins" as soon as every server behind origin.url has the new certificate.`
