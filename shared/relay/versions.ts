/** The version of Rollcall in the cloud, and the newest version of an agent that it knows. */
export type ToldVersions = { readonly version: string; readonly newestAgent: string }

/** The value of `header.rollcall`: `0.2.0;agent=0.3.0`. */
export const writeVersions = ({ version, newestAgent }: ToldVersions): string => `${version};agent=${newestAgent}`

/** The versions in a value of `header.rollcall`. Undefined for another text, such as that of a program that was not built. */
export function readVersions(text: string | undefined): ToldVersions | undefined {
	const [, version, newestAgent] =
		/^(\d{1,9}\.\d{1,9}\.\d{1,9});agent=(\d{1,9}\.\d{1,9}\.\d{1,9})$/.exec(text ?? '') ?? []
	return version === undefined || newestAgent === undefined ? undefined : { version, newestAgent }
}

/** Whether a text is the version of a release, such as `0.3.0`. */
export const isRelease = (version: string): boolean => /^\d{1,9}\.\d{1,9}\.\d{1,9}$/.test(version)

/** Compares `1.10.0` with `1.9.2`. A version of another form is never newer. */
export const isNewer = (version: string, other: string): boolean =>
	isRelease(version) && (!isRelease(other) || version.localeCompare(other, 'en', { numeric: true }) > 0)

/** What a program says that was not built, as in tests. */
const notBuilt = 'not built'

/**
 * The version that an agent says it has, for people. An agent that was tampered with can say anything. A text that is no
 * version is `unknown`, and a version above that of the reader's own program says so.
 */
export function shownVersion(claimed: string, own: string): string {
	if (!isRelease(claimed) && claimed !== notBuilt) return 'unknown'
	return isRelease(own) && isNewer(claimed, own) ? `${claimed}, newer than Rollcall ${own}` : claimed
}
