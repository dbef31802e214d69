/** The value of a property, as a request sends it and as an answer returns it. */
export type Value = string | number | boolean

/** The properties of an entity without its keys, and the names of the binary ones. */
export type Entity = { readonly properties: Readonly<Record<string, Value>>; readonly binary: ReadonlySet<string> }

/** An error of the table service. https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes */
export class ServiceRefusal extends Error {
	readonly status: number
	readonly code: string

	constructor(status: number, code: string) {
		super(code)
		this.status = status
		this.code = code
	}
}

const maxProperties = 252
const maxEntity = 1024 * 1024
const maxProperty = 64 * 1024
const maxKey = 1024

/**
 * Reads the JSON of an entity and enforces the limits of the service. Azurite lacks most of them.
 * https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
 */
export function readEntity(json: string): { partitionKey: string; rowKey: string; entity: Entity } {
	const { PartitionKey: partitionKey, RowKey: rowKey, ...rest } = JSON.parse(json)
	checkKey(partitionKey)
	checkKey(rowKey)
	const binary = new Set<string>()
	const properties: Record<string, Value> = {}
	for (const [name, value] of Object.entries(rest)) {
		const typed = /^(.*)@odata\.type$/.exec(name)?.[1]
		if (typed === undefined) properties[checkName(name)] = checkValue(value)
		else if (value === 'Edm.Binary') binary.add(typed)
		else throw new ServiceRefusal(400, 'InvalidInput')
	}
	const entity = { properties, binary }
	checkSize({ partitionKey, rowKey, entity })
	return { partitionKey, rowKey, entity }
}

export function checkKey(key: unknown): void {
	// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
	if (typeof key !== 'string' || /[/\\#?\x00-\x1f\x7f-\x9f]/.test(key)) throw new ServiceRefusal(400, 'InvalidInput')
	if (key.length * 2 > maxKey) throw new ServiceRefusal(400, 'KeyValueTooLarge')
}

function checkName(name: string): string {
	if (!/^[\p{L}_][\p{L}\p{N}_]{0,254}$/u.test(name)) throw new ServiceRefusal(400, 'PropertyNameInvalid')
	return name
}

function checkValue(value: unknown): Value {
	if (typeof value === 'string' || typeof value === 'boolean') return value
	if (typeof value === 'number' && Number.isFinite(value)) return value
	throw new ServiceRefusal(400, 'InvalidInput')
}

type Keyed = { readonly partitionKey: string; readonly rowKey: string; readonly entity: Entity }

/**
 * Enforces the limits on the size of an entity, which is counted in bytes as the service counts it.
 *
 * @throws ServiceRefusal 400 for an entity beyond a limit
 */
export function checkSize({ partitionKey, rowKey, entity: { properties, binary } }: Keyed): void {
	const entries = Object.entries(properties)
	if (entries.length > maxProperties) throw new ServiceRefusal(400, 'TooManyProperties')
	let size = 4 + (partitionKey.length + rowKey.length) * 2
	for (const [name, value] of entries) {
		const length = sizeOf(value, binary.has(name))
		if (length > maxProperty) throw new ServiceRefusal(400, 'PropertyValueTooLarge')
		size += 8 + name.length * 2 + length
	}
	if (size > maxEntity) throw new ServiceRefusal(400, 'EntityTooLarge')
}

function sizeOf(value: Value, isBinary: boolean): number {
	if (typeof value === 'number') return Number.isInteger(value) ? 4 : 8
	if (typeof value === 'boolean') return 1
	return isBinary ? Buffer.byteLength(value, 'base64') : value.length * 2
}
