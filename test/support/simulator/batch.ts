import { ServiceRefusal } from './entity.ts'

/** One operation of a `$batch` body. */
export type BatchOperation = {
	readonly method: string
	readonly table: string
	/** Undefined for an insert, which has its keys in the body. */
	readonly keys: Keys | undefined
	readonly ifMatch: string | undefined
	readonly json: string
}

export type Keys = { readonly partitionKey: string; readonly rowKey: string }

const maxOperations = 100
const maxBytes = 4 * 1024 * 1024

/**
 * Reads the body of a `$batch` request that holds one change set.
 *
 * @throws ServiceRefusal 400 for any other body, 413 for a body that is too long
 */
export function readBatch(body: string, contentType: string): readonly BatchOperation[] {
	if (Buffer.byteLength(body) > maxBytes) throw new ServiceRefusal(413, 'RequestBodyTooLarge')
	const outer = boundaryOf(contentType)
	const [changeSet, ...others] = bodyPartsOf(body, outer)
	if (changeSet === undefined || others.length > 0) throw new ServiceRefusal(400, 'InvalidInput')
	const operations = bodyPartsOf(changeSet, boundaryOf(changeSet)).map(readOperation)
	if (operations.length === 0 || operations.length > maxOperations) throw new ServiceRefusal(400, 'InvalidInput')
	return operations
}

function boundaryOf(text: string): string {
	const boundary = /boundary=([\w-]+)/.exec(text)?.[1]
	if (boundary === undefined) throw new ServiceRefusal(400, 'InvalidInput')
	return boundary
}

function bodyPartsOf(text: string, boundary: string): readonly string[] {
	const pieces = text.split(`--${boundary}`)
	if (!pieces.at(-1)?.startsWith('--')) throw new ServiceRefusal(400, 'InvalidInput')
	return pieces.slice(1, -1)
}

function readOperation(text: string): BatchOperation {
	const request = /\r\n\r\n([A-Z]+) (\S+) HTTP\/1\.1\r\n([\s\S]*?)\r\n\r\n([\s\S]*?)\r\n$/.exec(text)
	if (request === null) throw new ServiceRefusal(400, 'InvalidInput')
	const [, method = '', url = '', headers = '', json = ''] = request
	const path = new URL(url).pathname.split('/').slice(2).join('/')
	return { method, ...target(path), ifMatch: /^If-Match: (.*)$/m.exec(headers)?.[1]?.trim(), json }
}

/** Reads `table` or `table(PartitionKey='…',RowKey='…')`. */
export function target(path: string): { readonly table: string; readonly keys: Keys | undefined } {
	const [, table = '', predicate] = /^(\w+)(?:\((.*)\))?$/.exec(path) ?? []
	if (predicate === undefined || predicate === '') return { table, keys: undefined }
	const keys = /^PartitionKey='(.*)',RowKey='(.*)'$/.exec(predicate)
	if (keys === null) throw new ServiceRefusal(400, 'InvalidInput')
	return { table, keys: { partitionKey: unquoted(keys[1]), rowKey: unquoted(keys[2]) } }
}

const unquoted = (text = ''): string => decodeURIComponent(text).replaceAll("''", "'")
