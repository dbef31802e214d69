/** The ETag of a stored version. It is weak, because the client selects which attributes a representation has. */
export const etag = (version: string): string => `W/"${version}"`

// RFC 9110 section 8.8.3.
const entityTag = /(?:W\/)?"([\x21\x23-\x7e\x80-\uffff]*)"/g

/**
 * Reads the opaque tags of If-Match or If-None-Match, without their quotes.
 *
 * Text that is not an entity tag is skipped and so matches nothing. That is safe in both headers (RFC 9110 sections 13.1.1
 * and 13.1.2): a write without a matching tag is refused (412), and a GET gets the whole resource (200).
 */
export const parseEtags = (header: string): '*' | readonly string[] =>
	header.trim() === '*' ? '*' : Array.from(header.matchAll(entityTag), ([, opaque = '']) => opaque)

/**
 * Says whether a request may change a resource that has this version. A request without the header always may. Tags are
 * compared weakly, as in the examples of RFC 7644 section 3.14. The strong comparison of RFC 9110 section 13.1.1 never
 * matches a weak tag.
 */
export const accepts = (ifMatch: string | undefined, version: string): boolean =>
	ifMatch === undefined || includes(parseEtags(ifMatch), version)

/** Says whether the client of a GET already has this version (304). */
export const isNotModified = (ifNoneMatch: string | undefined, version: string): boolean =>
	ifNoneMatch !== undefined && includes(parseEtags(ifNoneMatch), version)

const includes = (etags: '*' | readonly string[], version: string): boolean => etags === '*' || etags.includes(version)

/** Says whether the client accepts a stored version. If it does not, the outcome is `stale`. */
export type VersionCondition = (version: string) => boolean
