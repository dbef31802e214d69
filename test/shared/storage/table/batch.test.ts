import { expect, test } from 'vitest'
import { batchOf, insert } from '../../../../shared/storage/table/batch.ts'

const partition = { url: 'https://account.example/table', partitionKey: "o'brien" }

test('the JSON of properties that several rows share is made once', () => {
	let readings = 0
	const properties = {
		get attributes() {
			readings++
			return 'line\u2028separator'
		},
	}
	const { body } = batchOf(partition, [insert('a', properties), insert('b', properties), insert('c', properties)], 'u')
	expect(readings).toBe(1)
	const entities = body.split('\r\n').filter((line) => line.startsWith('{'))
	expect(entities).toEqual(
		['a', 'b', 'c'].map((key) => `{"PartitionKey":"o'brien","RowKey":"${key}","attributes":"line\\u2028separator"}`),
	)
})
