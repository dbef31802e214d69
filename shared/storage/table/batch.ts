/** The properties of a row, without its keys. */
export type Properties = Readonly<Record<string, string | number | boolean | Buffer>>

/**
 * One operation of an entity group transaction. With `etag` '*' the row may have any version but must exist. Without an
 * `etag` the row need not exist.
 */
export type Operation =
	| { readonly kind: 'insert' | 'upsert' | 'insertOrMerge'; readonly key: string; readonly properties: Properties }
	| { readonly kind: 'replace' | 'merge'; readonly key: string; readonly properties: Properties; readonly etag: string }
	| { readonly kind: 'delete'; readonly key: string; readonly etag: string }

export const insert = (key: string, properties: Properties): Operation => ({ kind: 'insert', key, properties })
export const upsert = (key: string, properties: Properties): Operation => ({ kind: 'upsert', key, properties })
export const insertOrMerge = (key: string, properties: Properties): Operation => ({
	kind: 'insertOrMerge',
	key,
	properties,
})
export const replace = (key: string, properties: Properties, etag: string): Operation => ({
	kind: 'replace',
	key,
	properties,
	etag,
})
export const merge = (key: string, properties: Properties, etag = '*'): Operation => ({
	kind: 'merge',
	key,
	properties,
	etag,
})
export const remove = (key: string, etag = '*'): Operation => ({ kind: 'delete', key, etag })

/** The rows of one transaction share a partition. `url` is the table's, absolute. */
export type Partition = { readonly url: string; readonly partitionKey: string }

export type Batch = { readonly contentType: string; readonly body: string }

/**
 * The content of a `$batch` request with one change set: an entity group transaction. We write it ourselves because
 * `TableClient.submitTransaction` of @azure/data-tables 13.3.2 sends deletes without their ETag and takes the whole
 * underlying memory of a Buffer for its contents.
 *
 * @param unique a word that no earlier batch had: the boundaries are made of it, so no stored value can hold one
 * https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
 */
export function batchOf(partition: Partition, operations: readonly Operation[], unique: string): Batch {
	const outer = `batch_${unique}`
	const inner = `changeset_${unique}`
	const jsonOf = jsonOfProperties()
	let body = `--${outer}\r\nContent-Type: multipart/mixed; boundary=${inner}\r\n\r\n`
	for (const operation of operations) {
		body += `--${inner}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n${bodyPart(partition, operation, jsonOf)}\r\n`
	}
	const contentType = `multipart/mixed; boundary=${outer}`
	return { contentType, body: `${body}--${inner}--\r\n--${outer}--\r\n` }
}

const verbs = {
	insert: 'POST',
	upsert: 'PUT',
	insertOrMerge: 'MERGE',
	replace: 'PUT',
	merge: 'MERGE',
	delete: 'DELETE',
} as const satisfies Record<Operation['kind'], string>

const protocol =
	'HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json;odata=nometadata\r\nPrefer: return-no-content\r\nDataServiceVersion: 3.0\r\n'

type PropertiesJson = (properties: Properties) => string

/** The rows of indexes have the properties of the resource's own row: their JSON is made once in a transaction. */
function jsonOfProperties(): PropertiesJson {
	const known = new Map<Properties, string>()
	return (properties) => {
		const json = known.get(properties) ?? propertiesJson(properties)
		known.set(properties, json)
		return json
	}
}

function bodyPart(partition: Partition, operation: Operation, jsonOf: PropertiesJson): string {
	const { kind, key } = operation
	const url = kind === 'insert' ? partition.url : `${partition.url}(${keyPredicate(partition.partitionKey, key)})`
	const condition = 'etag' in operation ? `If-Match: ${operation.etag}\r\n` : ''
	const json = 'properties' in operation ? entityJson(partition, key, jsonOf(operation.properties)) : ''
	return `${verbs[kind]} ${url} ${protocol}${condition}\r\n${json}`
}

/** `PartitionKey='…',RowKey='…'`, as it stands in a URL. */
export const keyPredicate = (partitionKey: string, key: string): string =>
	`PartitionKey='${urlQuoted(partitionKey)}',RowKey='${urlQuoted(key)}'`

const urlQuoted = (key: string): string => encodeURIComponent(key).replaceAll("'", "''")

const entityJson = ({ partitionKey }: Partition, key: string, properties: string): string =>
	`{${escaped(`"PartitionKey":${JSON.stringify(partitionKey)},"RowKey":${JSON.stringify(key)}`)}${properties}}`

/** The properties as JSON, each behind a comma. */
function propertiesJson(properties: Properties): string {
	let json = ''
	for (const [name, value] of Object.entries(properties)) {
		json +=
			value instanceof Buffer
				? `,"${name}@odata.type":"Edm.Binary","${name}":"${value.toString('base64')}"`
				: `,"${name}":${JSON.stringify(value)}`
	}
	return escaped(json)
}

/** JSON may hold U+2028 and U+2029 unescaped, but Azurite 3.37 takes them for the end of the body. */
const escaped = (json: string): string =>
	json.replace(/[\u2028\u2029]/g, (separator) => (separator === '\u2028' ? '\\u2028' : '\\u2029'))

/**
 * What the service says about a request that it refuses, without the text, which may quote keys. `index` is that of the
 * operation that failed in a transaction.
 */
export type ServiceError = {
	readonly status: number
	/** Empty if the answer has no code that is a word. */
	readonly code: string
	readonly index?: number
}

/** The first failure in the answer to a `$batch` request, or undefined if every operation succeeded. */
export function batchError(status: number, text: string): ServiceError | undefined {
	if (status < 200 || status > 299) return serviceError(status, text)
	const failed = /HTTP\/1\.1 ([45]\d\d)/.exec(text)
	return failed === null ? undefined : serviceError(Number(failed[1]), text.slice(failed.index))
}

/** Reads an OData error. In a transaction its message begins with the index of the failing operation: `2:The specified …`. */
export function serviceError(status: number, text: string): ServiceError {
	const code = /"code"\s*:\s*"(\w{1,64})"/.exec(text)?.[1] ?? ''
	const index = /"value"\s*:\s*"(\d+):/.exec(text)?.[1]
	return { status, code, ...(index !== undefined && { index: Number(index) }) }
}
