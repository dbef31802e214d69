/** The ETag of a stored version: weak, since two representations of a resource differ in what the client selects. */
export const etag = (version: string): string => `W/"${version}"`

// RFC 9110 section 8.8.3.
const entityTag = /(?:W\/)?"([\x21\x23-\x7e\x80-\uffff]*)"/g

/**
 * Reads If-Match or If-None-Match into the opaque tags without their quotes.
 *
 * Whatever is no entity tag is passed over and so matches nothing, which is safe in both headers and what RFC 9110
 * sections 13.1.1 and 13.1.2 come to: no write without a tag that matches (412), and a whole answer to a GET (200).
 */
export const parseEtags = (header: string): '*' | readonly string[] =>
	header.trim() === '*' ? '*' : Array.from(header.matchAll(entityTag), ([, opaque = '']) => opaque)

/**
 * Says whether a request may change a resource that has this version; without the header it always may. Tags are
 * compared weakly, as the examples of RFC 7644 section 3.14 do: the strong comparison of RFC 9110 section 13.1.1 would
 * never find a weak tag.
 */
export const accepts = (ifMatch: string | undefined, version: string): boolean =>
	ifMatch === undefined || includes(parseEtags(ifMatch), version)

/** Says whether the client of a GET has this version already (304). */
export const isNotModified = (ifNoneMatch: string | undefined, version: string): boolean =>
	ifNoneMatch !== undefined && includes(parseEtags(ifNoneMatch), version)

const includes = (etags: '*' | readonly string[], version: string): boolean => etags === '*' || etags.includes(version)

/** Says whether a stored version is one that the client will accept; `stale` is answered where it is not. */
export type VersionCondition = (version: string) => boolean
